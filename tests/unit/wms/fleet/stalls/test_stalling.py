"""When a workflow is stalled, why, and when it is not: the whole table, and its laws."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fleet.phases import Phase
from tests.unit.wms.fleet.stalls.test_staffing import ERRORS, LOGS, MORE, PLACES, SHOW, TASK, crew, jobs
from tests.unit.wms.fleets import NOW, later
from wms.fleet.stalls.crew import Crew
from wms.fleet.stalls.staffing import find_missing_workers
from wms.fleet.stalls.stalling import (
    PATIENCE,
    Obstacle,
    ObstacleKind,
    QueueLoad,
    WorkflowSight,
    find_obstacles,
    is_suspect,
    judge_obstacles,
)
from wms.fleet.stalls.stored_stalls import recall_doubts

WF = "WF-6b00e09f-926a610b"

#: Crews of which nobody will come, with the cause and the command that are told.
HOPELESS: dict[str, tuple[Crew, str, str]] = {
    "all ended": (jobs("COMPLETED", "FatalError", exit_codes={"1": 4}), "gone", MORE),
    "all removed": (jobs("REMOVED"), "gone", MORE),
    "all held": (jobs("HELD: Out of memory"), "held", SHOW),
    "no slot matches": (jobs("IDLE", unmatched="no slot offers 999 GB of memory"), "no-slot", PLACES),
    "all suspended": (jobs("SUSPENDED", "Tasking"), "suspended", SHOW),
    "start given up": (crew(Phase.PENDING_STARTER, stuck="no such image"), "start-failed", SHOW),
    "TMS silent before the start": (
        crew(Phase.PENDING_STARTER, asked_at=later(seconds=-25), n_asked=1),
        "tms-silent",
        PLACES,
    ),
    "TMS silent after the start": (jobs("IDLE", as_of=later(minutes=-2)), "tms-silent", PLACES),
    "taskforce over": (crew(Phase.CONDOR_COMPLETE), "ended", MORE),
}

#: Crews of which somebody is at work, or will be.
HOPEFUL: dict[str, Crew] = {
    "at work": jobs("RUNNING", "Tasking"),
    "one of four at work": crew(statuses={"HELD: memory": {"null": 3}, "RUNNING": {"Tasking": 1}}),
    "idle, and can match": jobs("IDLE"),
    "starting": jobs("RUNNING", "Started"),
    "in its init": jobs("RUNNING", "RunningInitCommand"),
    "leaving, to be replaced": jobs("RUNNING", "PendingRemainingTasks"),
    "before its launch": crew(Phase.PRE_LAUNCH),
    "asked just now": crew(Phase.PENDING_STARTER, asked_at=NOW, n_asked=1),
    "to be started again": crew(Phase.PENDING_STARTER, retry_at=later(seconds=20)),
    "submitted": crew(),
}

WAITING = QueueLoad(n_ready=12)


def seen(*crews: Crew, backlog: QueueLoad = WAITING, **fields: Any) -> WorkflowSight:
    plain: dict[str, Any] = {
        "workflow_id": WF,
        "requested_at": later(minutes=-5),
        "has_queues": True,
        "inputs": {TASK: ["q1"]},
        "backlogs": {"q1": backlog},
    }
    return WorkflowSight(crews=crews, **{**plain, **fields})


BAD = {"BadWorker('3 different events failed: ValueError')": 4}
CHARGES = "; each failure counts now, and the events become dead letters"


@pytest.mark.parametrize(
    ("crew_", "text"),
    [
        (jobs("RUNNING", "FatalError", errors=BAD), f"{next(iter(BAD))}"),
        (jobs("HELD: The pilot ended early; it starts again after a pause", errors=BAD), f"{next(iter(BAD))}"),
        # Its workers take events again, to spend their attempts.
        (jobs("RUNNING", "Tasking", all_bad=True, errors={"ValueError: x": 4}), f"ValueError: x{CHARGES}"),
        (jobs("RUNNING", "Tasking", all_bad=True), f"they report no error{CHARGES}"),
        (jobs("RUNNING", "Tasking", all_bad=True, errors={"x" * 300: 1}), f"{'x' * 200}…{CHARGES}"),
    ],
)
def test_a_task_that_fails_on_every_worker_is_told_as_such(crew_: Crew, text: str) -> None:
    busy = QueueLoad(n_ready=12, n_unacknowledged=2, n_consumers=1)
    (obstacle,) = find_obstacles(seen(crew_, backlog=busy), NOW)
    assert (obstacle.kind, obstacle.cause, obstacle.command) == (
        ObstacleKind.ALL_BAD,
        "failing" if text.endswith(CHARGES) else "all-bad",
        ERRORS if crew_.errors else LOGS,
    )
    assert obstacle.text == f"14 event(s) are left for a task that fails on every worker: {text}"
    assert is_suspect(seen(crew_), NOW)
    # Nothing waits, or another taskforce of the task works.
    assert find_obstacles(seen(crew_, backlog=QueueLoad()), NOW) == []
    assert find_obstacles(seen(crew_, jobs("RUNNING", "Tasking"), backlog=busy), NOW) == []


@pytest.mark.parametrize("name", HOPELESS)
def test_events_wait_and_nobody_comes(name: str) -> None:
    crew_, cause, command = HOPELESS[name]
    (obstacle,) = find_obstacles(seen(crew_), NOW)
    assert (obstacle.kind, obstacle.cause, obstacle.command) == (ObstacleKind.NO_WORKERS, cause, command)
    assert (obstacle.task_id, obstacle.n_events) == (TASK, 12)
    assert obstacle.text.startswith("12 event(s) are left, and no worker comes: 4 worker(s) ")
    assert find_missing_workers(crew_, NOW)[0].text in obstacle.text


@pytest.mark.parametrize(("hopeless", "hopeful"), list(product(HOPELESS, HOPEFUL)))
def test_one_that_comes_is_enough(hopeless: str, hopeful: str) -> None:
    crews = (HOPELESS[hopeless][0], HOPEFUL[hopeful])
    busy = QueueLoad(n_ready=12, n_unacknowledged=1, n_consumers=1)
    assert find_obstacles(seen(*crews, backlog=busy), NOW) == []
    assert not is_suspect(seen(*crews), NOW)


@pytest.mark.parametrize("name", HOPEFUL)
def test_workers_on_their_way_are_no_obstacle(name: str) -> None:
    crew_ = HOPEFUL[name]
    obstacles = find_obstacles(seen(crew_), NOW)
    assert [one.kind for one in obstacles] == ([ObstacleKind.NO_TAKERS] if crew_.n_at_work else [])


@pytest.mark.parametrize("name", HOPELESS)
@pytest.mark.parametrize(
    "backlog",
    [
        QueueLoad(),
        QueueLoad(n_unacknowledged=3),
        QueueLoad(n_ready=5, n_unacknowledged=1),
        QueueLoad(n_consumers=2),
        QueueLoad(n_delayed=2, n_consumers=2),
    ],
)
def test_without_work_that_waits_in_vain_nothing_is_stalled(name: str, backlog: QueueLoad) -> None:
    assert find_obstacles(seen(HOPELESS[name][0], backlog=backlog), NOW) == []


def test_failed_events_that_wait_for_their_next_attempt_wait_in_vain_too() -> None:
    (obstacle,) = find_obstacles(seen(HOPELESS["all held"][0], backlog=QueueLoad(n_delayed=2)), NOW)
    assert (obstacle.kind, obstacle.n_events) == (ObstacleKind.NO_WORKERS, 2)


@pytest.mark.parametrize("name", [*HOPELESS, *HOPEFUL])
def test_consumers_that_take_nothing_are_told_whoever_they_are(name: str) -> None:
    crew_ = HOPELESS[name][0] if name in HOPELESS else HOPEFUL[name]
    (obstacle,) = find_obstacles(seen(crew_, backlog=QueueLoad(n_ready=3, n_consumers=2)), NOW)
    assert (obstacle.kind, obstacle.cause, obstacle.command) == (
        ObstacleKind.TAKES_NOTHING,
        "takes-nothing",
        f"ewms taskforce why {TASK}",
    )
    assert obstacle.text == "3 event(s) are left, and the 2 consumer(s) of the queue take none"


PAUSED = jobs("HELD: The pilot ended early; it starts again after a pause", "FatalError")


def test_workers_that_all_pause_are_told_as_what_they_are() -> None:
    (obstacle,) = find_obstacles(seen(PAUSED, jobs("HELD: disk")), NOW)
    assert (obstacle.kind, obstacle.cause, obstacle.command) == (ObstacleKind.PAUSED, "paused", LOGS)
    assert obstacle.text == (
        "12 event(s) are left until a worker starts again: 4 worker(s) held: disk; "
        "4 worker(s) ended early, and start again by themselves after a pause"
    )
    assert find_obstacles(seen(PAUSED, jobs("IDLE")), NOW) == []
    (obstacle,) = find_obstacles(seen(jobs("RUNNING", "FatalError")), NOW)
    assert (obstacle.kind, obstacle.cause, obstacle.command) == (ObstacleKind.PAUSED, "pilot-failed", LOGS)
    assert is_suspect(seen(PAUSED), NOW)
    assert find_obstacles(seen(PAUSED, inputs={TASK: []}), NOW) == [], "a source starts again, or is over"


def test_workers_that_are_not_connected_are_told_with_the_silence_of_their_tms() -> None:
    crew_ = jobs("RUNNING", "Tasking", as_of=later(minutes=-2))
    (obstacle,) = find_obstacles(seen(crew_), NOW)
    assert obstacle.kind is ObstacleKind.NO_TAKERS
    assert "4 worker(s) that should take them are not connected" in obstacle.text
    assert "the TMS of ap1 has sent no statuses since 07:58:00 UTC" in obstacle.text


def test_a_task_without_any_taskforce_is_told() -> None:
    (obstacle,) = find_obstacles(seen(), NOW)
    assert (obstacle.cause, obstacle.command) == ("no-workers", f"ewms task add-workers {TASK} -n 1")


@pytest.mark.parametrize(
    ("age_s", "deferred", "text"),
    [
        (9, "the broker has no room", None),
        (11, "the broker has no room", "its queues do not exist yet: the broker has no room"),
        (11, "", "its queues do not exist yet: MQS has not answered yet"),
    ],
)
def test_a_workflow_that_waits_for_its_queues(age_s: int, deferred: str, text: str | None) -> None:
    waiting = seen(
        crew(Phase.PRE_MQ_ACTIVATION),
        requested_at=later(seconds=-age_s),
        has_queues=False,
        deferred=deferred,
        backlogs={},
    )
    obstacles = find_obstacles(waiting, NOW)
    assert [one.text for one in obstacles] == ([text] if text else [])
    assert not is_suspect(waiting, NOW), "nothing can lie in queues that are not there"


def test_queues_that_nobody_can_see_are_an_obstacle_of_the_whole_workflow() -> None:
    (obstacle,) = find_obstacles(seen(HOPEFUL["at work"], backlogs={}, unseen="the broker is away"), NOW)
    assert (obstacle.kind, obstacle.task_id) == (ObstacleKind.BROKER_AWAY, "")
    assert "the broker is away" in obstacle.text


def test_a_task_is_judged_by_all_of_its_queues_or_not_at_all() -> None:
    inputs = {TASK: ["q1", "q2"]}
    assert find_obstacles(seen(HOPELESS["all held"][0], inputs=inputs), NOW) == []
    both = {"q1": QueueLoad(), "q2": QueueLoad(n_ready=7)}
    (obstacle,) = find_obstacles(seen(HOPELESS["all held"][0], inputs=inputs, backlogs=both), NOW)
    assert obstacle.n_events == 7


def test_each_task_is_judged_by_its_own_workers_and_a_source_has_no_events_to_wait() -> None:
    other = "TK-6b00e09f-926a610b-00000002"
    inputs = {TASK: ["q1"], other: ["q2"], "TK-source": []}
    backlogs = {"q1": QueueLoad(n_ready=1, n_unacknowledged=4, n_consumers=4), "q2": QueueLoad(n_ready=2)}
    (obstacle,) = find_obstacles(seen(HOPEFUL["at work"], inputs=inputs, backlogs=backlogs), NOW)
    assert (obstacle.task_id, obstacle.n_events) == (other, 2)


@pytest.mark.parametrize("name", [*HOPELESS, *HOPEFUL])
def test_a_source_is_stalled_when_its_workers_cannot_run_and_not_when_they_are_done(name: str) -> None:
    crew_ = HOPELESS[name][0] if name in HOPELESS else HOPEFUL[name]
    obstacles = find_obstacles(seen(crew_, inputs={TASK: []}, backlogs={}), NOW)
    is_stalled = name in HOPELESS and HOPELESS[name][1] not in ("gone", "ended")
    assert [(one.kind, one.cause, one.n_events) for one in obstacles] == (
        [(ObstacleKind.NO_WORKERS, HOPELESS[name][1], 0)] if is_stalled else []
    )


def test_workers_of_several_taskforces_are_added_up() -> None:
    (obstacle,) = find_obstacles(seen(HOPELESS["all held"][0], HOPELESS["all held"][0]), NOW)
    assert "8 worker(s) held: Out of memory" in obstacle.text


@pytest.mark.parametrize("name", HOPELESS)
def test_a_crew_of_which_nobody_comes_makes_its_workflow_suspect(name: str) -> None:
    assert is_suspect(seen(HOPELESS[name][0], backlog=QueueLoad()), NOW)


KINDS = {kind: Obstacle(kind, kind, "t", "ewms x", TASK, 1) for kind in ObstacleKind}


@pytest.mark.parametrize("kind", ObstacleKind)
def test_an_obstacle_is_told_when_it_has_lasted(kind: ObstacleKind) -> None:
    doubts, lasting = judge_obstacles({}, {WF: [KINDS[kind]]}, NOW)
    assert lasting == {WF: [KINDS[kind]] if not PATIENCE[kind] else []}
    if PATIENCE[kind]:
        _, early = judge_obstacles(doubts, {WF: [KINDS[kind]]}, NOW + PATIENCE[kind] - timedelta(milliseconds=1))
        assert early == {WF: []}
    _, lasting = judge_obstacles(doubts, {WF: [KINDS[kind]]}, NOW + PATIENCE[kind])
    assert lasting == {WF: [KINDS[kind]]}


def test_an_obstacle_that_went_away_meanwhile_begins_anew() -> None:
    held = [KINDS[ObstacleKind.NO_WORKERS]]
    doubts, _ = judge_obstacles({}, {WF: held}, NOW)
    doubts, _ = judge_obstacles(doubts, {WF: []}, later(seconds=4))
    _, lasting = judge_obstacles(doubts, {WF: held}, later(seconds=20))
    assert lasting == {WF: []}


def test_what_was_not_looked_at_is_neither_told_nor_forgotten() -> None:
    held = [KINDS[ObstacleKind.NO_WORKERS]]
    doubts, _ = judge_obstacles({}, {WF: held}, NOW)
    doubts, lasting = judge_obstacles(doubts, {"WF-other": []}, later(seconds=4))
    assert lasting == {"WF-other": []}
    _, lasting = judge_obstacles(doubts, {WF: held}, later(seconds=9))
    assert lasting == {WF: held}


@given(data=st.data())
def test_the_laws_of_a_stall(data: st.DataObject) -> None:
    """No obstacle without work that waits, none while somebody is at it, and always a next command."""
    every = [*(hopeless for hopeless, _, _ in HOPELESS.values()), *HOPEFUL.values(), PAUSED]
    crews = data.draw(st.lists(st.sampled_from(every), max_size=3))
    count = st.integers(0, 3)
    backlog = QueueLoad(*(data.draw(count) for _ in range(4)))
    now = NOW + data.draw(st.timedeltas(timedelta(0), timedelta(hours=1)))
    obstacles = find_obstacles(seen(*crews, backlog=backlog), now)
    for obstacle in obstacles:
        assert backlog.n_ready + backlog.n_delayed > 0
        assert backlog.n_unacknowledged == 0
        assert obstacle.n_events == backlog.n_ready + backlog.n_delayed
        assert obstacle.command.startswith("ewms ")
        assert obstacle.text
    if any(missing.is_soon for one in crews for missing in find_missing_workers(one, now)):
        assert all(obstacle.kind not in (ObstacleKind.NO_WORKERS, ObstacleKind.PAUSED) for obstacle in obstacles)
    nobody = not any(one.n_at_work or any(m.is_soon for m in find_missing_workers(one, now)) for one in crews)
    if nobody and backlog.n_ready and not backlog.n_unacknowledged:
        assert obstacles, "work waits, nothing is on its way to do it, and nobody says so"


def test_a_stall_that_a_newer_version_has_stored_is_left_out_of_what_is_remembered() -> None:
    since = later(minutes=-3)
    causes = [{"kind": kind, "task_id": TASK} for kind in ("from-tomorrow", "no-workers")]
    told = {WF: {"since": since, "causes": causes}}
    assert recall_doubts(told, {}) == {(WF, TASK, ObstacleKind.NO_WORKERS): since}
