"""A client that follows a workflow goes on after a break, and ends with the workflow."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ewms.cli.text.fleet.explanation import describe_standing, explanation_lines
from ewms.errors import NotThere, Unreachable
from ewms.gateway.event_reader import StreamedEvent
from ewms.workflows.views import AsyncWorkflowViews
from schemas.explain.workflow_explanation import explain_workflow
from schemas.ids import WorkflowId
from tests.fake_clock import run_on_fake_clock
from tests.unit.ewms.facts import state, taskforce
from tests.unit.wms.insight.test_workflow_graph import make_world
from wms.insight.workflow_facts import describe_standing as make_standing

STANDING = make_standing(make_world())


class Streams:
    """A gateway whose streams a test has written down: events, and the errors at their ends."""

    def __init__(self, *streams: list[StreamedEvent | Exception]) -> None:
        self.streams = list(streams)
        self.paths: list[str] = []

    async def follow(self, path: str) -> AsyncIterator[StreamedEvent]:
        self.paths.append(path)
        for event in self.streams.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


def news(place: str) -> StreamedEvent:
    return StreamedEvent("workflow", STANDING.model_dump_json(), place)


def follow(streams: Streams) -> list[Any]:
    async def main() -> list[Any]:
        views = AsyncWorkflowViews(streams, WorkflowId("WF-1"))  # type: ignore[arg-type]  # all that it calls
        return [standing async for standing in views.follow()]

    return run_on_fake_clock(main())


def test_it_goes_on_after_the_last_change_and_ends_with_the_workflow() -> None:
    streams = Streams([news("a"), Unreachable("broken")], [news("b")], [StreamedEvent("end", "{}", "b")])
    assert follow(streams) == [STANDING, STANDING]
    assert streams.paths == [
        "/workflows/WF-1/events?",
        "/workflows/WF-1/events?last_event_id=a",
        "/workflows/WF-1/events?last_event_id=b",
    ]


def test_a_server_that_stays_away_and_a_refusal_end_it() -> None:
    with pytest.raises(Unreachable):
        follow(Streams(*([Unreachable("away")] for _ in range(31))))
    with pytest.raises(NotThere):
        follow(Streams([NotThere("no workflow")]))


def test_a_line_says_how_far_it_is_and_what_is_wrong() -> None:
    line = describe_standing(STANDING)
    assert line.startswith("starting:  0 worker(s) take events")
    assert "1 problem(s): 3 event(s) given up: dead letters" in line


def test_an_explanation_has_text_remedy_and_command_of_each_cause() -> None:
    facts = state(taskforce(statuses={"HELD: Put on hold by a user": {"null": 2}})).facts
    lines = [line.plain for line in explanation_lines(explain_workflow(facts))]
    assert "blocked: 2 worker(s) held: Put on hold by a user" in lines
    assert any("condor_release" in line for line in lines)
    assert any(line.startswith("    → ewms taskforce show TF-") for line in lines)
