"""The table of leaves: how the end of a workflow ends its node."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from runtime.amqp.borrowing import EVENTS_AT_ONCE
from schemas.api.workflows.requests import WorkflowRequest
from schemas.engine.runs import MAX_RESULTS, Outcome, WantedWorkflow
from schemas.errors import Rejected
from schemas.fleet.documents import WorkflowDocument
from schemas.fleet.endings import Completion
from schemas.fleet.phases import Deactivated
from schemas.ids import WorkflowId
from wms.engine.nested.child_workflows import describe_end, judge_workflow
from wms.engine.nested.workflow_queues import (
    MAX_RESULT_BYTES,
    collect_results,
    cut_results,
    find_first_input,
    find_first_output,
    make_event_id,
)

SEED = json.loads((Path(__file__).parents[4] / "integration" / "wms" / "seed_request.json").read_text())


@pytest.mark.parametrize(
    ("completion", "deactivated", "is_canceling", "outcome"),
    [
        (Completion.DONE, Deactivated.FINISHED, False, Outcome.SUCCESSFUL),
        (Completion.DONE, None, False, Outcome.SUCCESSFUL),
        (Completion.DONE_WITH_FAILURES, Deactivated.FINISHED, False, Outcome.FAILED),
        (None, Deactivated.FINISHED, False, Outcome.SUCCESSFUL),
        (None, Deactivated.ABORTED, False, Outcome.ERROR),
        (None, Deactivated.ABORTED, True, Outcome.CANCELED),
        (Completion.DONE, Deactivated.FINISHED, True, Outcome.SUCCESSFUL),
    ],
)
def test_leaf_how_the_end_of_a_workflow_ends_its_node(
    completion: Completion | None, deactivated: Deactivated | None, is_canceling: bool, outcome: Outcome
) -> None:
    workflow = WorkflowDocument(
        workflow_id=WorkflowId("WF-1-00000001"),
        timestamp=1.0,
        priority=50,
        deactivated=deactivated,
        deactivated_ts=None,
        completion=completion,
        n_dead=3,
    )
    ended, explanation = judge_workflow(workflow, is_canceling=is_canceling)
    assert ended is outcome
    assert bool(explanation) == (outcome is not Outcome.SUCCESSFUL)


@pytest.mark.parametrize(
    ("n_dead", "n_results", "expected", "outcome"),
    [
        (2, None, None, Outcome.SUCCESSFUL),
        (3, None, None, Outcome.FAILED),
        (2, 28, 30, Outcome.SUCCESSFUL),
        (2, 27, 30, Outcome.FAILED),
        (0, 29, 30, Outcome.FAILED),
    ],
)
def test_leaf_a_step_may_allow_dead_letters_and_no_missing_results(
    n_dead: int, n_results: int | None, expected: int | None, outcome: Outcome
) -> None:
    workflow = WorkflowDocument(
        workflow_id=WorkflowId("WF-1-00000001"),
        timestamp=1.0,
        priority=50,
        deactivated=Deactivated.FINISHED,
        deactivated_ts=None,
        completion=Completion.DONE_WITH_FAILURES,
        completion_reason="failures",
        n_dead=n_dead,
        n_results=n_results,
        expected_results=expected,
    )
    assert judge_workflow(workflow, is_canceling=False, max_dead_letters=2)[0] is outcome
    assert describe_end(workflow) == {
        "workflow_id": "WF-1-00000001",
        "status": "done with failures",
        "reason": "failures",
        "n_results": n_results,
        "n_dead": n_dead,
    }


def test_results_come_from_the_first_public_queue_that_is_an_output_and_no_input() -> None:
    def ask(tasks: list[tuple[list[str], list[str]]], public: list[str]) -> WorkflowRequest:
        made = [
            {**SEED["tasks"][0], "input_queue_aliases": inputs, "output_queue_aliases": outputs}
            for inputs, outputs in tasks
        ]
        return WorkflowRequest.model_validate({"tasks": made, "public_queue_aliases": public})

    two_levels = [(["in"], ["middle"]), (["middle"], ["late", "out"])]
    assert find_first_output(ask(two_levels, ["in", "middle", "out", "late"])) == "out"
    assert find_first_output(ask(two_levels, ["in", "middle"])) is None


def test_results_are_json_or_text_and_no_more_than_a_state_takes() -> None:
    assert list(
        cut_results(
            [(b'{"a": 1}', "application/json"), (b"[2]", ""), (b"3", "text/plain"), (b"\xff{", ""), (b"NaN", "")]
        )
    ) == [{"a": 1}, [2], "3", "\ufffd{", "NaN"]
    large = b"x" * (MAX_RESULT_BYTES // 2)
    assert len(list(cut_results([(large, ""), (large, ""), (b"1", ""), (b"", "")]))) == 2


class Result:
    """A delivery of a result."""

    content_type = "text/plain"

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.is_released = False

    async def release(self) -> bool:
        self.is_released = True
        return True


class ResultQueue:
    """A queue of results. Each subscription lends as many as its prefetch, in the next turn of the event loop."""

    def __init__(self, *bodies: bytes) -> None:
        self.waiting = [Result(body) for body in bodies]
        self.lent: list[Result] = []
        self._on_delivery: Callable[[Any], None]
        self._on_lost: Callable[[], None]
        self.may_lose = False

    async def consume(
        self, queue: str, on_delivery: Callable[[Any], None], *, prefetch: int, on_lost: Callable[[], None]
    ) -> "ResultQueue":
        self._on_delivery, self._on_lost = on_delivery, on_lost
        await self.set_prefetch(prefetch)
        return self

    async def set_prefetch(self, prefetch: int) -> None:
        if self.may_lose and self.lent:
            # The connection is lost, and comes back.
            self.may_lose = False
            self.waiting, self.lent = [*self.lent, *self.waiting], []
            self._on_lost()
        new, self.waiting = self.waiting[:prefetch], self.waiting[prefetch:]
        self.lent += new
        for result in new:
            asyncio.get_running_loop().call_soon(self._on_delivery, result)

    async def pause(self) -> None:
        pass


async def test_wms_stops_to_collect_results_when_they_are_too_large_for_a_state() -> None:
    queue = ResultQueue(*[b"x" * (MAX_RESULT_BYTES // 2)] * 200)
    assert len(await collect_results(queue, "q", MAX_RESULTS)) == 2
    assert len(queue.lent) <= EVENTS_AT_ONCE
    assert all(result.is_released for result in queue.lent)


@pytest.mark.parametrize(("n_there", "n_wanted"), [(100, 50), (16, 16), (40, 100), (0, 1)])
async def test_wms_collects_as_many_results_as_a_step_wants_or_as_there_are(
    n_there: int, n_wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wms.engine.nested.workflow_queues._QUIET_S", 0.05)
    queue = ResultQueue(*[b"%d" % number for number in range(n_there)])
    expected = [str(number) for number in range(min(n_there, n_wanted))]
    assert await collect_results(queue, "q", n_wanted) == expected
    assert len(queue.lent) == len(expected)
    assert all(result.is_released for result in queue.lent)


async def test_after_a_lost_connection_wms_collects_each_result_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wms.engine.nested.workflow_queues._QUIET_S", 0.05)
    queue = ResultQueue(*[b"%d" % number for number in range(40)])
    queue.may_lose = True
    assert await collect_results(queue, "q", 100) == [str(number) for number in range(40)]


@pytest.mark.parametrize("n", [-1, MAX_RESULTS + 1])
def test_a_wanted_workflow_bounds_its_results(n: int) -> None:
    with pytest.raises(ValidationError):
        WantedWorkflow(request={}, max_results=n)


def test_events_go_into_the_first_public_queue_that_is_an_input() -> None:
    def ask(inputs: list[str], public: list[str]) -> WorkflowRequest:
        task = {
            **SEED["tasks"][0],
            "input_queue_aliases": inputs,
            "output_queue_aliases": ["out"],
        }
        return WorkflowRequest.model_validate({"tasks": [task], "public_queue_aliases": public})

    assert find_first_input(ask(["b", "a"], ["out", "a", "b"])) == "a"
    with pytest.raises(Rejected, match="no public queue"):
        find_first_input(ask(["a"], ["out"]))
    first = make_event_id(WorkflowId("WF-1-00000001"), 0)
    assert first == make_event_id(WorkflowId("WF-1-00000001"), 0)
    assert first != make_event_id(WorkflowId("WF-1-00000001"), 1)
