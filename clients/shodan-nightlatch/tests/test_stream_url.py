import importlib
import os
import unittest
from unittest import mock

import shodan_nightlatch
from shodan.stream import Stream


class StreamUrl(unittest.TestCase):
    def test_the_first_variable_that_says_something_wins(self):
        for environment, expected in [
            ({}, None),
            ({"SHODAN_API_URL": "http://127.0.0.1:8420"}, "http://127.0.0.1:8420"),
            ({"SHODAN_API_URL": "http://a/", "SHODAN_STREAM_URL": "http://b//"}, "http://b"),
            ({"SHODAN_API_URL": "http://a", "SHODAN_STREAM_URL": " "}, "http://a"),
        ]:
            self.assertEqual(shodan_nightlatch.stream_url(environment), expected, environment)

    def test_importing_sets_the_address(self):
        before = Stream.base_url
        self.addCleanup(setattr, Stream, "base_url", before)
        with mock.patch.dict(os.environ, {"SHODAN_STREAM_URL": "http://127.0.0.1:1/"}):
            importlib.reload(shodan_nightlatch)
        self.assertEqual(Stream.base_url, "http://127.0.0.1:1")

    def test_without_a_variable_nothing_changes(self):
        before = Stream.base_url
        with mock.patch.dict(os.environ, {}, clear=True):
            importlib.reload(shodan_nightlatch)
        self.assertEqual(Stream.base_url, before)


if __name__ == "__main__":
    unittest.main()
