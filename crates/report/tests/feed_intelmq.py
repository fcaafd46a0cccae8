"""Gives report files to IntelMQ's own parser, as its library mode allows, and writes down what became of them.

Usage: feed_intelmq.py ROOT ANSWER FILE...
ROOT/var/lib/bots/shadowserver-schema.json is the mapping that the parser uses. ANSWER becomes a JSON object: for each
file name its events, and how many rows were refused. Standard output is the library's, which logs there.
"""

import base64
import json
import os
import sys

root, answer_path, files = sys.argv[1], sys.argv[2], sys.argv[3:]
os.environ["INTELMQ_ROOT_DIR"] = root  # read when the library is imported

from intelmq.bots.parsers.shadowserver.parser import ShadowserverParserBot  # noqa: E402
from intelmq.lib.bot import BotLibSettings  # noqa: E402

parser = ShadowserverParserBot("nightlatch", settings=BotLibSettings)
answer = {}
for path in files:
    with open(path, "rb") as file:
        raw = base64.b64encode(file.read()).decode()
    queues = parser.process_message(
        {
            "__type": "Report",
            "raw": raw,
            "extra.file_name": os.path.basename(path),
            "time.observation": "2026-09-22T00:00:00+00:00",
        }
    )
    answer[os.path.basename(path)] = {
        "events": [dict(event) for event in queues["output"]],
        "refused": len(queues["error"]),
    }
    queues["output"].clear()
    queues["error"].clear()
with open(answer_path, "w") as file:
    json.dump(answer, file)
