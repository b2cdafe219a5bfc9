"""The warm task that users copy: it speaks the pilot's lines, and the documentation shows it as it is."""

import json
import subprocess
import sys
from pathlib import Path

from pilot.containers.task_interface import RunOutcome
from pilot.stream.lines import build_request, parse_answer
from schemas.ids import EventId
from schemas.payloads.data_events import DataEvent

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs/examples/warm/count.py"


def test_it_answers_each_line_and_ends_with_its_input() -> None:
    events = [
        DataEvent(json.dumps({"text": text}).encode(), EventId(f"e{n}"), "")
        for n, text in enumerate(["one two", "three"])
    ]
    lines = [build_request(event, 1) for event in events]
    ran = subprocess.run(
        [sys.executable, EXAMPLE],
        input=b"".join(line for line in lines if isinstance(line, bytes)),
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    outcomes = [parse_answer(line, event.id) for line, event in zip(ran.stdout.splitlines(), events, strict=True)]
    assert [outcome.output for outcome in outcomes if isinstance(outcome, RunOutcome)] == [
        b'{"words":2,"events_so_far":1}',
        b'{"words":1,"events_so_far":2}',
    ]


def test_the_documentation_shows_it_as_it_is() -> None:
    assert f"```python\n{EXAMPLE.read_text()}```" in (ROOT / "docs/pilot.md").read_text()
