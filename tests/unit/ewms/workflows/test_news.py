"""What the stream of all workflows tells, as a program, a person and a script get it."""

import json
from collections.abc import AsyncIterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from ewms.cli.__main__ import main
from ewms.cli.context import GlobalOptions
from ewms.cli.text.fleet.news import changes_as_data, describe_news, news_lines
from ewms.errors import NotThere
from ewms.gateway.event_following import follow_over_breaks
from ewms.gateway.event_reader import StreamedEvent
from ewms.workflows.news import WorkflowChanges, read_changes
from schemas.api.workflows.news import WorkflowNews
from tests.fake_clock import run_on_fake_clock


def make_news(workflow: str = "WF-1", **fields: Any) -> WorkflowNews:
    plain: dict[str, Any] = {
        "workflow_id": workflow,
        "timestamp": 1.5,
        "priority": 50,
        "outcome": "",
        "ended_at": None,
        "inputs_closed": False,
        "has_queues": True,
        "stalled_since": None,
        "problems": [],
    }
    return WorkflowNews.model_validate({**plain, **fields})


ONE, TWO = make_news("WF-1"), make_news("WF-2", outcome="done", ended_at=2.5)
LIST = StreamedEvent("list", f'{{"workflows": [{ONE.model_dump_json()}, {TWO.model_dump_json()}]}}', "a")


class Streams:
    """A gateway with one stream, which it refuses to open again."""

    def __init__(self, *events: StreamedEvent) -> None:
        self.events = list(events)
        self.paths: list[str] = []

    async def follow(self, path: str) -> AsyncIterator[StreamedEvent]:
        self.paths.append(path)
        if len(self.paths) > 1:
            raise NotThere("enough")
        for event in self.events:
            yield event


def follow(streams: Streams, after: str = "") -> list[WorkflowChanges]:
    came: list[WorkflowChanges] = []

    async def read_all() -> None:
        try:
            async for changes in read_changes(follow_over_breaks(streams, "/events", after=after)):
                came.append(changes)  # noqa: PERF401 - the error at the end must not lose them
        except NotThere:
            return

    run_on_fake_clock(read_all())
    return came


def test_the_list_comes_first_then_each_change_with_the_id_to_go_on_after() -> None:
    closed = ONE.model_dump(mode="json") | {"inputs_closed": True, "of_a_later_version": 1}
    streams = Streams(
        LIST,
        StreamedEvent("workflow", json.dumps(closed), "b"),
        StreamedEvent("weather", "{}", "c"),
        StreamedEvent("gone", '{"workflow_id": "WF-2"}', "d"),
    )
    assert follow(streams, after="z") == [
        WorkflowChanges((ONE, TWO), is_whole=True, id="a"),
        WorkflowChanges((make_news(inputs_closed=True),), id="b"),
        WorkflowChanges(gone=("WF-2",), id="d"),
    ]
    assert streams.paths == ["/events?last_event_id=z", "/events?last_event_id=d"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "under way"),
        ({"inputs_closed": True}, "under way, its inputs are closed"),
        ({"has_queues": False}, "waits for its queues"),
        ({"problems": ["no worker comes", "9 event(s) are left"]}, "needs you: no worker comes; 9 event(s) are left"),
        ({"outcome": "done with failures", "problems": ["old"]}, "done with failures"),
    ],
)
def test_a_line_says_how_a_workflow_stands(fields: dict[str, Any], words: str) -> None:
    assert describe_news(make_news(**fields)) == words


def test_what_left_the_list_has_a_line_too() -> None:
    lines = list(news_lines(WorkflowChanges((TWO,), gone=("WF-3",))))
    assert lines[0] == "WF-2  done"
    assert lines[1].startswith("WF-3  left the list")


def run_command(
    command: str, changes: list[WorkflowChanges], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    asked: list[str] = []

    def follow_workflows(*, after: str) -> Any:
        asked.append(after)
        return iter(changes)

    client = SimpleNamespace(follow_workflows=follow_workflows)
    monkeypatch.setattr(GlobalOptions, "make_client", lambda _: nullcontext(client))
    status = main(command.split())
    shown = capsys.readouterr()
    return status, shown.out, shown.err + "".join(f" after={after}" for after in asked)


CHANGES = [WorkflowChanges((ONE, TWO), is_whole=True, id="a"), WorkflowChanges(gone=("WF-2",), id="b")]


def test_the_command_prints_the_list_and_with_follow_each_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, shown, _ = run_command("events", CHANGES, monkeypatch, capsys)
    assert (status, shown) == (0, "WF-1  under way\nWF-2  done\n")
    status, shown, asked = run_command("events --follow --after z", CHANGES, monkeypatch, capsys)
    assert (status, shown.splitlines()[2].split("  ")[0], asked) == (0, "WF-2", " after=z")


def test_as_data_each_line_has_what_came_with_its_id(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, shown, _ = run_command("events -f -o json", CHANGES, monkeypatch, capsys)
    assert [json.loads(line) for line in shown.splitlines()] == [changes_as_data(changes) for changes in CHANGES]
    assert json.loads(shown.splitlines()[1]) == {"id": "b", "is_whole": False, "workflows": [], "gone": ["WF-2"]}


def test_an_empty_list_is_said_and_after_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, shown, told = run_command("events", [WorkflowChanges(is_whole=True)], monkeypatch, capsys)
    assert (status, shown) == (0, "")
    assert "no workflow of yours is under way" in told
    status, _, told = run_command("events --after a", CHANGES, monkeypatch, capsys)
    assert status == 2
    assert "--after needs --follow" in told
