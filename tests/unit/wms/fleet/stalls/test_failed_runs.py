"""When every event of a workflow has failed: what WMS asks MQS about, and what it tells."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from schemas.api.queues.profiles import QueueDepths
from tests.unit.wms.fleet.stalls.test_staffing import jobs
from tests.unit.wms.fleet.stalls.test_stalling import WF, seen
from tests.unit.wms.fleets import NOW, later
from wms.fleet.stalls.failed_runs import choose_runs, judge_failed_run, may_have_failed
from wms.fleet.stalls.stalling import Obstacle, ObstacleKind, QueueLoad, judge_obstacles

FAILING = jobs("RUNNING", "Tasking", errors={"ValueError: x": 4})


@dataclass
class Joins:
    """A task from q1 to q2."""

    input_queues: list[str] = field(default_factory=lambda: ["q1"])
    output_queues: list[str] = field(default_factory=lambda: ["q2"])


def count(n_arrived: int = 10, n_gone: int = 10, n_failed: int = 10, n_dead: int = 10, **more: int) -> QueueDepths:
    """Return depths of q1 and q2 after `n_arrived` events; `more` are fields of q1, and `n_results`."""
    n_results = more.pop("n_results", 0)
    plain = {"is_public": True, "n_ready": 0, "n_unacknowledged": 0, "n_consumers": 2}
    return QueueDepths.model_validate(
        {
            "workflow_id": WF,
            "queues": [
                {**plain, "mqid": "q1", "alias": "in", "n_arrived": n_arrived, "n_gone": n_gone, **more},
                {**plain, "mqid": "q2", "alias": "out", "n_arrived": n_results, "n_gone": 0, "n_ready": n_results},
            ],
            "n_dead": n_dead,
            "n_failed": n_failed,
        }
    )


CLOSE, LIST = f"ewms workflow close-inputs {WF}", f"ewms dlq list {WF}"


@pytest.mark.parametrize(
    ("depths", "is_closed", "was_stalled", "command"),
    [
        (count(), False, False, LIST),
        (count(n_dead=0), False, False, CLOSE),
        (count(n_dead=4), False, True, LIST),
        # It ends by itself; that is told only where a stall would seem to be over.
        (count(), True, False, None),
        (count(), True, True, LIST),
        (count(n_failed=9, n_dead=9), False, False, None),
        (count(n_ready=1, n_gone=9), False, False, None),
        (count(n_delayed=1), False, False, None),
        (count(n_unacknowledged=1), False, False, None),
        (count(n_results=1), False, False, None),
        (count(n_arrived=0, n_gone=0, n_failed=0, n_dead=0), False, False, None),
        # A replayed letter is under way again.
        (count(n_arrived=11, n_replayed=1, n_failed=9, n_dead=9), False, False, None),
        (None, False, False, None),
    ],
)
def test_as_many_failed_as_there_were_and_nothing_else_is_left(
    depths: QueueDepths | None, is_closed: bool, was_stalled: bool, command: str | None
) -> None:
    obstacle = judge_failed_run(WF, [Joins()], depths, has_closed_inputs=is_closed, was_stalled=was_stalled)
    assert (obstacle and obstacle.command) == command
    if obstacle is not None:
        assert (obstacle.kind, obstacle.cause) == (ObstacleKind.ALL_FAILED, "all-failed")
        assert obstacle.text.startswith("every event has failed: ")
        assert ("ends by itself" in obstacle.text) == is_closed


def test_mqs_is_asked_about_empty_queues_of_tasks_with_errors_only() -> None:
    empty = {"q1": QueueLoad(n_consumers=4)}
    assert may_have_failed(seen(FAILING), empty)
    assert not may_have_failed(seen(jobs("RUNNING", "Tasking")), empty)
    assert not may_have_failed(seen(FAILING), {})
    for load in (QueueLoad(n_ready=1), QueueLoad(n_unacknowledged=1), QueueLoad(n_delayed=1)):
        assert not may_have_failed(seen(FAILING), {"q1": load})
    assert not may_have_failed(seen(FAILING, has_queues=False), empty)


def test_stalled_ones_come_first_then_those_not_asked_about_for_longest() -> None:
    sights = [replace(seen(FAILING), workflow_id=f"WF-{n}") for n in range(5)]
    chosen = choose_runs(sights, {"WF-0": 9.0, "WF-1": 8.0, "WF-3": 7.0}, {"WF-0"}, 4)
    assert [one.workflow_id for one in chosen] == ["WF-0", "WF-2", "WF-4", "WF-3"]


def test_it_is_told_at_once_after_the_stall_that_it_follows_and_else_when_it_lasts() -> None:
    bad = Obstacle(ObstacleKind.ALL_BAD, "all-bad", "10 event(s) are left", "ewms task errors", "TK", 10)
    failed = Obstacle(ObstacleKind.ALL_FAILED, "all-failed", "every event has failed", LIST)
    doubts, _ = judge_obstacles({}, {WF: [bad]}, later(seconds=-20))
    doubts, lasting = judge_obstacles(doubts, {WF: [failed]}, NOW)
    assert lasting == {WF: [failed]}
    assert doubts == {(WF, "", ObstacleKind.ALL_FAILED): later(seconds=-20)}
    doubts, lasting = judge_obstacles({}, {WF: [failed]}, NOW)
    assert lasting == {WF: []}
    _, lasting = judge_obstacles(doubts, {WF: [failed]}, NOW + timedelta(seconds=4))
    assert lasting == {WF: [failed]}
