"""A warm task that does what its events say, well or badly, and notes each of its starts."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCRIPT = """
import json, os, subprocess, sys, time

def note(name, text):
    with open(f"{os.environ['NOTES']}/{name}", "a") as file:
        print(text, file=file)

def say(text):
    print(text, flush=True)

note("starts", os.getpid())
for line in sys.stdin:
    event = json.loads(line)
    note("events", f"{event['id']}:{event['attempt']}")
    data = event["data"]
    done = json.dumps({"id": event["id"], "data": {"pid": os.getpid(), "of": data}})
    match data.get("do") if isinstance(data, dict) else None:
        case "error": say(json.dumps({"id": event["id"], "error": "bad pixel"}))
        case "crash":
            print("out of luck", file=sys.stderr)
            sys.exit(3)
        case "exit": sys.exit(0)
        case "rubbish":
            print("a word aside", file=sys.stderr, flush=True)
            say("Loading the model...")
        case "other id": say(json.dumps({"id": "another"}))
        case "close":
            os.close(1)
            time.sleep(300)
        case "long":
            while True:
                sys.stdout.write("x" * 65536)
        case "hang":
            child = subprocess.Popen(["sleep", "300"], start_new_session=True)
            note("hanging", f"{os.getpid()} {child.pid}")
            time.sleep(300)
        case "hang once" if event["attempt"] == 1:
            child = subprocess.Popen(["sleep", "300"], start_new_session=True)
            note("hanging", f"{os.getpid()} {child.pid}")
            time.sleep(300)
        case "slow":
            time.sleep(1.5)
            say(done)
        case "answer and exit":
            say(done)
            os._exit(0)
        case "answer and more":
            say(done + "\\nand more")
        case "answer and later more":
            say(done)
            time.sleep(0.3)
            say("and more")
        case "chat":
            for _ in range(400):
                sys.stderr.write("chat" * 16384)
            say(done)
        case "echo": say(json.dumps({"id": event["id"], "data": data}))
        case "no data": say(json.dumps({"id": event["id"]}))
        case "look":
            seen = {"environment": dict(os.environ), "fds": os.listdir("/proc/self/fd"), "cwd": os.listdir(".")}
            say(json.dumps({"id": event["id"], "data": seen}))
        case _: say(done)
note("byes", os.getpid())
if os.environ.get("STAY"):
    time.sleep(300)
"""


class Warm:
    """The task, its variables, and what it has noted."""

    def __init__(self, directory: Path) -> None:
        self._notes = directory / "notes"
        self._notes.mkdir()
        self._script = directory / "warm.py"
        self._script.write_text(SCRIPT)

    def variables(self, *, task_environment: dict[str, str] | None = None, **variables: Any) -> dict[str, Any]:
        """Return what makes a pilot run it."""
        return {
            "EWMS_PILOT_TASK_MODE": "stream",
            "EWMS_PILOT_TASK_ARGS": f"{sys.executable} {self._script}",
            "EWMS_PILOT_TASK_ENV_JSON": json.dumps({"NOTES": str(self._notes), **(task_environment or {})}),
            **variables,
        }

    def noted(self, name: str) -> list[str]:
        """Return the words that it has noted under a name."""
        path = self.noted_in(name)
        return path.read_text().split() if path.exists() else []

    def noted_in(self, name: str) -> Path:
        """Return the file of a name's notes."""
        return self._notes / name


def doing(*what: str) -> Sequence[bytes]:
    """Return events that make the task do `what`."""
    return [json.dumps({"do": each}).encode() for each in what]
