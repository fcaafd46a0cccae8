"""Points the streams of the `shodan` command line at a server of your own.

The command line loads every entry point of the group `shodan.cli.plugins` when it starts. Importing this module sets
`shodan.stream.Stream.base_url`, which `scan submit`, `scan internet` and `radar` have no option for.
"""

import os

import click
from shodan.stream import Stream

# The first that is set and not blank. SHODAN_API_URL is what the library itself reads for everything else.
VARIABLES = ("SHODAN_STREAM_URL", "SHODAN_API_URL")


def stream_url(environment=os.environ):
    """The address of the streams, without a slash at its end; None where nothing is set."""
    for name in VARIABLES:
        address = environment.get(name, "").strip().rstrip("/")
        if address:
            return address
    return None


def point():
    """Sets the address, where one is given."""
    address = stream_url()
    if address is not None:
        Stream.base_url = address


point()


@click.command(name="nightlatch")
def plugin():
    """Show which server the streams come from."""
    click.echo(Stream.base_url)
