"""What users, MQS and the clock make of a workflow."""

from collections.abc import Callable

import pytest

from schemas.documents import TaskforceDocument
from schemas.errors import Broken, NotFound, Rejected, Unprocessable
from schemas.events import (
    Payload,
    QueuesDeferred,
    TaskforceRelease,
    TaskforceStart,
    TaskforceStop,
    WorkflowOver,
    WorkflowRequested,
)
from schemas.ids import TaskforceUuid
from schemas.phases import Deactivated, Phase
from tests.unit.wms.fleets import (
    CLUSTERS,
    NOW,
    POLICY,
    POLLING,
    activated,
    after,
    aggregate,
    completed,
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
from wms.fleet.id_source import IdSource
from wms.fleet.life.aggregate import Aggregate, Draft
from wms.fleet.life.conditions import PATIENCE, is_over
from wms.fleet.life.lifecycle import end_orphaned_queues, start_at_once
from wms.fleet.life.stimuli import AddWorkers, Deactivate, Launch, Woken
from wms.fleet.locations import Location
from wms.fleet.policy import FleetPolicy

ABORT = Deactivate(Deactivated.ABORTED)
FINISH = Deactivate(Deactivated.FINISHED)


def kinds(events: tuple[Payload, ...]) -> list[type[Payload]]:
    return [type(event) for event in events]


def adding(state: Aggregate, *, schedd: str = "S1", by: str = "USER") -> AddWorkers:
    return AddWorkers(
        task=next(iter(state.tasks.values())),
        location=Location(schedd=schedd),
        n_workers=3,
        by=by,
        mint=IdSource(b"m", NOW),
    )


# ---- MQS


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


# ---- the launcher


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


# ---- the user ends it

STAGES: list[tuple[Callable[[Aggregate, TaskforceUuid], Aggregate], Phase]] = [
    (lambda s, _: s, Phase.PRE_MQ_ACTIVATION),
    (lambda s, _: after(s, activated(s)), Phase.PRE_LAUNCH),
    (lambda s, u: after(s, activated(s), Launch(u)), Phase.PENDING_STARTER),
    (lambda s, u: after(s, activated(s), Launch(u), submitted(s, u)), Phase.CONDOR_SUBMIT),
]


@pytest.mark.parametrize(("reach", "phase"), STAGES, ids=[phase for _, phase in STAGES])
@pytest.mark.parametrize("stimulus", [ABORT, FINISH], ids=["abort", "finished"])
def test_a_wanted_taskforce_is_told_to_stop(
    reach: Callable[[Aggregate, TaskforceUuid], Aggregate], phase: Phase, stimulus: Deactivate
) -> None:
    state = aggregate(task_request())
    uuid = first(state)
    state = reach(state, uuid)
    assert state.taskforces[uuid].phase is phase
    outcome = decide(state, stimulus, later(seconds=9))
    assert outcome.answer == 1
    assert outcome.after.workflow.deactivated is stimulus.label
    assert outcome.after.workflow.deactivated_ts == later(seconds=9).timestamp()
    assert outcome.after.taskforces[uuid].phase is Phase.PENDING_STOPPER
    line = last_line(outcome, uuid)
    assert (line.source_entity, line.was_successful, line.context) == (
        "User",
        True,
        f"User deactivated ({stimulus.label}) workflow",
    )
    if phase in (Phase.PRE_MQ_ACTIVATION, Phase.PRE_LAUNCH):
        assert kinds(outcome.events) == [WorkflowOver], "no TMS has heard of it: it is over at once"
    else:
        (stop,) = outcome.events
        assert isinstance(stop, TaskforceStop)
        assert stop.cluster_id == (7 if phase is Phase.CONDOR_SUBMIT else None)


def test_a_finished_taskforce_is_not_counted_and_its_log_says_so() -> None:
    state, uuid = running()
    state = after(state, completed(uuid))
    outcome = decide(state, ABORT, later(seconds=9))
    assert outcome.answer == 0
    assert outcome.after.taskforces[uuid].phase is Phase.CONDOR_COMPLETE
    line = last_line(outcome, uuid)
    assert (line.target_phase, line.was_successful, line.context) == (
        "pending-stopper",
        False,
        "User deactivated (ABORTED) workflow but taskforce is already ending/finished (condor-complete)",
    )
    assert kinds(outcome.events) == [WorkflowOver]


@pytest.mark.parametrize("second", [ABORT, FINISH])
def test_a_workflow_is_deactivated_once(second: Deactivate) -> None:
    state = after(aggregate(), FINISH)
    with pytest.raises(NotFound) as caught:
        decide(state, second, NOW)
    assert caught.value.reason == f"no non-deactivated workflow found with workflow_id='{state.workflow.workflow_id}'"


def test_an_unanswered_stop_is_repeated_with_the_cluster() -> None:
    state, uuid = running()
    state = after(state, FINISH)
    assert state.workflow.wake_at == later(seconds=30)
    outcome = decide(state, Woken(), later(seconds=30))
    assert outcome.events == (TaskforceStop(taskforce_uuid=uuid, schedd="S1", cluster_id=7),)


def test_the_end_is_told_once_when_the_last_taskforce_is_over() -> None:
    state = aggregate()
    one, two = state.taskforces
    state = after(state, activated(state), Launch(one), Launch(two))
    state = after(state, submitted(state, one, 1), submitted(state, two, 2), FINISH)
    outcome = decide(state, completed(one, 1), NOW)
    assert outcome.events == ()
    outcome = decide(outcome.after, completed(two, 2), NOW)
    assert kinds(outcome.events) == [WorkflowOver]
    assert outcome.after.workflow.over_at == NOW
    assert outcome.after.workflow.wake_at is None
    assert decide(outcome.after, completed(two, 2), NOW).events == ()


def test_mqs_hears_of_the_end_again_if_it_still_holds_the_queues_for_active() -> None:
    state, uuid = running()
    state = after(state, FINISH)
    assert decide(state, activated(state), later(days=1)).events == (), "it is not over yet"
    state = decide(state, completed(uuid), NOW).after
    assert decide(state, activated(state), later(seconds=5)).events == (), "they crossed on the way"
    assert kinds(decide(state, activated(state), later(hours=1)).events) == [WorkflowOver]


def test_queues_of_a_workflow_that_nobody_knows_are_given_up() -> None:
    state = aggregate()
    assert kinds(end_orphaned_queues(activated(state))) == [WorkflowOver]
    assert end_orphaned_queues(Launch(next(iter(state.taskforces)))) == ()


def test_a_workflow_that_nobody_deactivated_is_not_over_when_its_clusters_are() -> None:
    state, uuid = running()
    outcome = decide(state, completed(uuid), NOW)
    assert outcome.events == ()
    assert outcome.after.workflow.over_at is None


def test_a_decision_about_a_part_ends_the_workflow_only_if_the_rest_is_over() -> None:
    state, uuid = running()
    state = after(state, FINISH)
    for others_open, events in ((True, []), (False, [WorkflowOver])):
        part = Aggregate(state.workflow, state.taskforces, others_open=others_open)
        assert kinds(decide(part, completed(uuid), NOW).events) == events


# ---- add-workers


def test_added_workers_are_a_new_taskforce_in_front_of_the_others() -> None:
    state, uuid = running()
    outcome = decide(state, adding(state), later(seconds=3))
    added = outcome.answer
    assert isinstance(added, TaskforceDocument)
    template = state.taskforces[uuid]
    assert added.priority == template.priority + 100
    assert (added.task_id, added.pilot_config, added.worker_config) == (
        template.task_id,
        template.pilot_config,
        template.worker_config,
    )
    assert (added.phase, added.n_workers, added.cluster_id) == (Phase.PRE_MQ_ACTIVATION, 3, None)
    assert [(line.source_entity, line.context) for line in added.phase_change_log] == [
        ("USER", "Created when adding more workers for this task directive.")
    ]
    assert outcome.after.taskforces[added.taskforce_uuid] == added
    assert (added.owner, added.projects) == ("ada", ["/projects/muon"])
    assert added.launch_rank < template.launch_rank


def test_added_workers_do_not_climb() -> None:
    state, _ = running()
    for n in range(3):
        stimulus = AddWorkers(
            task=next(iter(state.tasks.values())),
            location=Location(schedd="S1"),
            n_workers=1,
            by="TMS",
            mint=IdSource(bytes([n]), NOW),
        )
        state = after(state, stimulus)
    assert {t.priority for t in state.taskforces.values()} == {50, 150}


def test_added_workers_cannot_make_a_workflow_larger_than_a_request_could() -> None:
    heavy = {"environment": {"EWMS_PILOT_OKAY_ERRORS": "x" * 130_000}}
    tasks = [task_request(task_args=str(n), pilot_config=heavy) for n in range(64)]
    state = aggregate(*tasks)
    with pytest.raises(Rejected, match="at most 8388608 bytes of 'worker_config' and 'pilot_config'"):
        decide(state, adding(state), later())


def test_added_workers_advance_by_themselves_since_the_queues_are_there() -> None:
    state, _ = running()
    outcome = decide(state, adding(state), later(seconds=3))
    added = outcome.answer.taskforce_uuid
    assert outcome.after.workflow.wake_at == later(seconds=3), "at once"
    advanced = decide(outcome.after, Woken(), later(seconds=3))
    assert advanced.after.taskforces[added].phase is Phase.PRE_LAUNCH
    line = last_line(advanced, added)
    assert (line.source_entity, line.context) == (
        "Workflow MQ Activator",
        "Auto-advanced because workflow has already been mq-activated.",
    )


def test_workers_added_before_the_queues_are_there_wait_for_them_with_the_others() -> None:
    state = aggregate(task_request())
    outcome = decide(state, adding(state), NOW)
    assert outcome.after.workflow.wake_at == later(seconds=30)
    moved = after(outcome.after, activated(state))
    assert {t.phase for t in moved.taskforces.values()} == {Phase.PRE_LAUNCH}


def test_mqs_is_told_of_a_schedd_that_is_new_to_the_workflow() -> None:
    state, _ = running()
    assert decide(state, adding(state), NOW).events == ()
    (event,) = decide(state, adding(state, schedd="S2"), NOW).events
    assert isinstance(event, WorkflowRequested)
    assert event.schedds == ["S1", "S2"]


def test_nothing_is_added_to_a_deactivated_workflow() -> None:
    state = after(aggregate(), FINISH)
    with pytest.raises(Unprocessable) as caught:
        decide(state, adding(state), NOW)
    assert caught.value.reason == f"cannot add a taskforce to a deactivated workflow ({state.workflow.workflow_id})"


# ---- what holds throughout


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


def activate_and_start(n_free: dict[str, int], *tasks: dict[str, object]) -> tuple[Aggregate, tuple[Payload, ...]]:
    before = aggregate(*tasks)
    outcome = decide(before, activated(before), NOW)
    started = start_at_once(Draft(before, POLICY, NOW), outcome, n_free)
    return started.after, (*started.events, *started.facts)


def test_what_becomes_ready_starts_in_the_same_decision_where_a_place_is_free() -> None:
    state, events = activate_and_start({"S1": 1}, task_request())
    (taskforce,) = state.taskforces.values()
    assert taskforce.phase is Phase.PENDING_STARTER
    assert taskforce.asked_at == NOW
    assert [line.target_phase for line in taskforce.phase_change_log[-2:]] == [Phase.PRE_LAUNCH, Phase.PENDING_STARTER]
    assert kinds(events) == [TaskforceStart]


def test_a_start_in_the_same_decision_is_the_start_of_the_launcher() -> None:
    before = aggregate(task_request())
    outcome = decide(before, activated(before), NOW)
    (uuid,) = outcome.after.taskforces
    by_launcher = decide(outcome.after, Launch(uuid), NOW)
    at_once = start_at_once(Draft(before, POLICY, NOW), outcome, {"S1": 4})
    assert at_once.after == by_launcher.after
    assert at_once.events == (*outcome.events, *by_launcher.events)


def test_without_a_free_place_it_waits_for_the_launcher() -> None:
    for n_free in ({}, {"S1": 0}, {"elsewhere": 4}):
        state, events = activate_and_start(n_free, task_request())
        assert [t.phase for t in state.taskforces.values()] == [Phase.PRE_LAUNCH]
        assert kinds(events) == []


def test_no_more_start_at_once_than_places_are_free_and_those_of_the_lowest_rank_first() -> None:
    state, events = activate_and_start({"S1": 2}, *(task_request(task_image=f"/images/reco-{n}") for n in range(3)))
    phases = [t.phase for t in sorted(state.taskforces.values(), key=lambda t: t.launch_rank)]
    assert phases == [Phase.PENDING_STARTER, Phase.PENDING_STARTER, Phase.PRE_LAUNCH]
    assert kinds(events) == [TaskforceStart, TaskforceStart]


def test_what_was_ready_before_is_left_to_the_launcher() -> None:
    ready = after(aggregate(task_request()), activated(aggregate(task_request())))
    outcome = decide(ready, Woken(), NOW)
    assert start_at_once(Draft(ready, POLICY, NOW), outcome, {"S1": 4}) == outcome
