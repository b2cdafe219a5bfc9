"""The user ends a workflow, or a part of it: what its taskforces, TMS and MQS hear."""

from collections.abc import Callable

import pytest

from schemas.errors import NotFound
from schemas.events import (
    TaskforceStop,
    WorkflowOver,
)
from schemas.fleet.phases import Phase
from schemas.ids import TaskforceUuid
from tests.unit.wms.fleet.life.lifecycle_stimuli import ABORT, FINISH, kinds
from tests.unit.wms.fleets import (
    NOW,
    activated,
    after,
    aggregate,
    completed,
    decide,
    first,
    last_line,
    later,
    running,
    submitted,
    task_request,
)
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.lifecycle import end_orphaned_queues
from wms.fleet.life.stimuli import Deactivate, Launch, Woken

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
