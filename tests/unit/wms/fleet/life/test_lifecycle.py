"""What users, MQS and the clock make of a workflow."""

import pytest

from schemas.errors import Broken
from schemas.events import (
    QueuesDeferred,
    TaskforceRelease,
    TaskforceStart,
    TaskforceStop,
    WorkflowOver,
    WorkflowRequested,
)
from schemas.fleet.phases import Phase
from tests.unit.wms.fleet.life.lifecycle_stimuli import ABORT, kinds
from tests.unit.wms.fleets import (
    CLUSTERS,
    NOW,
    POLICY,
    POLLING,
    activated,
    after,
    aggregate,
    decide,
    failed,
    first,
    last_line,
    later,
    remove_failed,
    removed,
    running,
    submitted,
    task_request,
)
from wms.fleet.choices.policy import FleetPolicy
from wms.fleet.life.aggregate import Aggregate, Draft
from wms.fleet.life.conditions import PATIENCE, is_over
from wms.fleet.life.stimuli import Launch, Woken


def test_activation_moves_all_taskforces_of_the_workflow_together() -> None:
    state = aggregate()
    outcome = decide(state, activated(state), later(seconds=1))
    assert [t.phase for t in outcome.after.taskforces.values()] == [Phase.PRE_LAUNCH] * 2
    assert outcome.after.workflow.queues_active_at == later(seconds=1)
    line = last_line(outcome, first(state))
    assert (line.target_phase, line.was_successful, line.source_entity, line.context) == (
        "pre-launch",
        True,
        "Workflow MQ Activator",
        "",
    )


def test_activation_after_an_abort_resurrects_nothing() -> None:
    # Upstream's measured defect: the activator moved every taskforce of an aborted workflow to pre-launch.
    state = after(aggregate(), ABORT)
    assert decide(state, activated(state), later(seconds=1)).after == state


def test_a_second_activation_changes_nothing() -> None:
    state = aggregate()
    state = after(state, activated(state))
    assert decide(state, activated(state), later(seconds=5)).after is state


def test_a_deferral_is_logged_once_a_wait_however_its_reason_changes() -> None:
    state = aggregate()
    uuid = first(state)
    for n in range(20):
        state = after(state, QueuesDeferred(workflow_id=state.workflow.workflow_id, reason=f"{n} queues too many"))
    log = state.taskforces[uuid].phase_change_log
    assert [(line.target_phase, line.was_successful, line.context) for line in log[1:]] == [
        ("pre-launch", False, "0 queues too many")
    ]
    assert state.workflow.queues_deferred == "19 queues too many"
    assert after(state, activated(state)).taskforces[uuid].phase is Phase.PRE_LAUNCH


def test_mqs_is_asked_again_ever_more_seldom_until_it_answers() -> None:
    state = aggregate()
    pauses = []
    at = NOW
    for _ in range(8):
        assert state.workflow.wake_at is not None
        pauses.append((state.workflow.wake_at - at).total_seconds())
        at = state.workflow.wake_at
        outcome = decide(state, Woken(), at)
        assert kinds(outcome.events) == [WorkflowRequested]
        state = outcome.after
    assert pauses == [30, 60, 120, 240, 480, 600, 600, 600]
    assert decide(state, Woken(), at).events == (), "woken early it asks nothing"
    state = after(state, activated(state), now=at)
    assert decide(state, Woken(), later(days=1)).events == ()


def test_a_launch_sends_the_whole_order() -> None:
    state = aggregate(task_request(n_workers=None, cluster_locations=["chicago"]))
    uuid = first(state)
    state = after(state, activated(state))
    outcome = decide(state, Launch(uuid), later(seconds=2))
    (start,) = outcome.events
    assert isinstance(start, TaskforceStart)
    task = next(iter(state.tasks.values()))
    assert (start.schedd, start.n_workers, start.task.task_args) == ("S2", 7, task.task_args)
    assert start.task.input_queues == task.input_queues
    line = last_line(outcome, uuid)
    assert (line.target_phase, line.source_entity, line.context) == ("pending-starter", "Taskforce Launch Control", "")
    assert outcome.after.workflow.wake_at == later(seconds=32)


def test_a_launch_that_comes_twice_starts_once() -> None:
    state = aggregate()
    uuid = first(state)
    state = after(state, activated(state), Launch(uuid))
    again = decide(state, Launch(uuid), later(seconds=1))
    assert (again.after, again.events) == (state, ())


def test_a_launch_of_a_taskforce_without_queues_does_nothing() -> None:
    state = aggregate()
    assert decide(state, Launch(first(state)), NOW).after is state


def test_an_unanswered_start_is_repeated_and_its_log_does_not_grow() -> None:
    state = aggregate(task_request())
    uuid = first(state)
    state = after(state, activated(state), Launch(uuid))
    n_lines = len(state.taskforces[uuid].phase_change_log)
    for n in range(2, 6):
        assert state.workflow.wake_at is not None
        outcome = decide(state, Woken(), state.workflow.wake_at)
        assert kinds(outcome.events) == [TaskforceStart]
        state = outcome.after
        assert state.taskforces[uuid].n_asked == n
    assert len(state.taskforces[uuid].phase_change_log) == n_lines


def woken(state: Aggregate, n: int, policy: FleetPolicy = POLICY) -> Aggregate:
    """Return `state` after `n` of its timers have run out with nothing heard."""
    for _ in range(n):
        assert state.workflow.wake_at is not None
        state = decide(state, Woken(), state.workflow.wake_at, policy).after
    return state


def test_a_tms_that_does_not_answer_is_visible_until_it_does() -> None:
    state = aggregate(task_request())
    uuid = first(state)
    state = woken(after(state, activated(state), Launch(uuid)), PATIENCE - 1)
    assert state.taskforces[uuid].stuck == ""
    state = woken(state, 1)
    assert "does not answer" in state.taskforces[uuid].stuck
    assert after(state, submitted(state, uuid)).taskforces[uuid].stuck == ""
    assert after(state, failed(uuid)).taskforces[uuid].stuck == ""
    stopped = after(state, ABORT)
    assert stopped.taskforces[uuid].stuck == "", "a stop is another question"
    silent = woken(stopped, PATIENCE)
    assert "does not answer" in silent.taskforces[uuid].stuck
    assert after(silent, removed(uuid)).taskforces[uuid].stuck == ""


@pytest.mark.parametrize("n_unanswered", [1, PATIENCE, PATIENCE + 2])
@pytest.mark.parametrize("stopped", [False, True])
def test_what_a_silent_tms_has_left_is_given_to_one_that_asks_by_itself(n_unanswered: int, stopped: bool) -> None:
    state = aggregate(task_request())
    uuid = first(state)
    state = after(state, activated(state), Launch(uuid), submitted(state, uuid)) if stopped else state
    state = woken(after(state, ABORT) if stopped else after(state, activated(state), Launch(uuid)), n_unanswered - 1)
    by_rest = woken(state, 1, POLLING)
    left = by_rest.taskforces[uuid]
    assert (left.asked_at, left.retry_at, left.stuck) == (None, None, "")
    assert left.phase is (Phase.PENDING_STOPPER if stopped else Phase.PENDING_STARTER)


@pytest.mark.parametrize("has_paused", [False, True])
def test_a_stop_without_a_cluster_ends_when_the_tms_polls_from_now_on(has_paused: bool) -> None:
    state = aggregate(task_request())
    uuid = first(state)
    state = after(state, activated(state), Launch(uuid), ABORT, remove_failed(uuid))
    assert not is_over(state.taskforces[uuid])
    outcome = decide(state, Woken(), later(hours=has_paused), POLLING)
    assert is_over(outcome.after.taskforces[uuid]) == has_paused
    if not has_paused:
        assert outcome.after.workflow.wake_at == state.taskforces[uuid].retry_at, "it is looked at after the pause"


def test_an_mqs_that_does_not_answer_is_visible_until_it_does() -> None:
    state = aggregate(task_request())
    uuid = first(state)
    state = woken(state, PATIENCE - 1)
    assert state.workflow.queues_deferred == ""
    state = woken(state, 1)
    assert "does not answer" in state.workflow.queues_deferred
    deferred = after(state, QueuesDeferred(workflow_id=state.workflow.workflow_id, reason="full"))
    assert deferred.workflow.queues_deferred == "full"
    assert deferred.taskforces[uuid].phase_change_log[-1].context == "full"
    assert after(state, activated(state)).workflow.queues_deferred == ""


def test_an_illegal_move_does_not_pass_a_draft() -> None:
    state, uuid = running()
    draft = Draft(state, POLICY, NOW)
    with pytest.raises(Broken):
        draft.move_taskforce(state.taskforces[uuid], Phase.PRE_LAUNCH, by="nobody")


@pytest.mark.parametrize("max_failures", [1, 3, 5])
def test_a_start_is_tried_as_often_as_the_operator_says(max_failures: int) -> None:
    policy = FleetPolicy(CLUSTERS, max_failures)
    state = aggregate(task_request())
    uuid = first(state)
    state = after(state, activated(state))
    for n in range(max_failures):
        assert not state.taskforces[uuid].stuck
        assert kinds(decide(state, Launch(uuid), later(hours=n), policy).events) == [TaskforceStart]
        state = after(state, Launch(uuid), failed(uuid), now=later(hours=n), policy=policy)
    assert state.taskforces[uuid].stuck
    assert decide(state, Launch(uuid), later(days=1), policy).after is state


def test_a_start_that_was_given_up_is_stopped_when_the_workflow_is() -> None:
    state = aggregate(task_request())
    uuid = first(state)
    state = after(state, activated(state))
    for n in range(3):
        state = after(state, Launch(uuid), failed(uuid), now=later(hours=n))
    assert state.taskforces[uuid].stuck
    assert decide(state, Launch(uuid), later(days=1)).after is state, "never tried again"
    outcome = decide(state, ABORT, later(days=1))
    assert kinds(outcome.events) == [TaskforceStop]
    outcome = decide(outcome.after, removed(uuid, None), later(days=1))
    assert is_over(outcome.after.taskforces[uuid])
    assert kinds(outcome.events) == [WorkflowOver]
    assert TaskforceRelease not in kinds(outcome.events)
