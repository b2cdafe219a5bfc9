"""A warm task: it is started once, answers each event with one line, and ends when its standard input does."""

import json
import sys

for n, line in enumerate(sys.stdin, 1):
    event = json.loads(line)
    words = event["data"]["text"].split()
    answer = {"id": event["id"], "data": {"words": len(words), "events_so_far": n}}
    print(json.dumps(answer), flush=True)
