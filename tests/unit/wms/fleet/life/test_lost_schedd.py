"""What the loss of a schedd does to the taskforces of a workflow: each is over, without the answer of its TMS."""

import pytest

from schemas.events import TaskforceRemove, TaskforceStop, WorkflowOver
from schemas.fleet.phases import Phase
from tests.unit.wms.fleet.life.lifecycle_stimuli import FINISH, kinds
from tests.unit.wms.fleets import (
    NOW,
    POLLING,
    activated,
    after,
    aggregate,
    completed,
    decide,
    first,
    last_line,
    later,
    removed,
    running,
    submitted,
    task_request,
)
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.conditions import is_offered_stop, is_over
from wms.fleet.life.stimuli import EndLost, Launch, Woken

UNSEEN = "ERROR: nobody has seen its workers end, and WMS waits no more, because "
LOST = EndLost("S1", "the location osg is lost, says an operator")


def waiting() -> Aggregate:
    return aggregate(task_request())


def ready() -> Aggregate:
    return after(waiting(), activated(waiting()))


def ordered() -> Aggregate:
    return after(ready(), Launch(first(ready())))


def submitted_there() -> Aggregate:
    return running()[0]


def stopping() -> Aggregate:
    return after(submitted_there(), FINISH)


def leaving() -> Aggregate:
    state, uuid = running()
    return after(state, FINISH, removed(uuid))


@pytest.mark.parametrize(
    ("before", "phase", "orders", "context"),
    [
        (waiting(), Phase.PENDING_STOPPER, [], "Ended, because "),
        (ready(), Phase.PENDING_STOPPER, [], "Ended, because "),
        (ordered(), Phase.PENDING_STOPPER, [TaskforceStop], "Ended, because "),
        (submitted_there(), Phase.CONDOR_COMPLETE, [TaskforceStop], UNSEEN),
        (stopping(), Phase.CONDOR_COMPLETE, [WorkflowOver], UNSEEN),
        (leaving(), Phase.CONDOR_COMPLETE, [WorkflowOver], UNSEEN),
    ],
)
def test_each_taskforce_there_is_over_and_says_why(
    before: Aggregate, phase: Phase, orders: list[type], context: str
) -> None:
    uuid = first(before)
    outcome = decide(before, LOST, NOW)
    taskforce = outcome.after.taskforces[uuid]
    assert is_over(taskforce)
    assert (taskforce.phase, taskforce.stuck) == (phase, LOST.loss)
    assert (last_line(outcome, uuid).source_entity, last_line(outcome, uuid).context) == (
        "Operator",
        context + LOST.loss,
    )
    assert kinds(outcome.events) == orders
    assert set(outcome.after.taskforces) == set(before.taskforces), "nothing takes its place"
    assert (outcome.after.workflow.over_at is not None) is (before.workflow.deactivated is not None)
    again = decide(outcome.after, LOST, later(seconds=9))
    assert (again.after, again.events) == (outcome.after, ()), "a second look changes nothing"
    woken = decide(outcome.after, Woken(), later(days=1))
    assert not {TaskforceStop} & set(kinds(woken.events)), "WMS waits for no answer"


def test_a_workflow_that_lost_its_last_workers_goes_on_and_is_over_as_soon_as_its_owner_ends_it() -> None:
    lost = after(submitted_there(), LOST)
    assert lost.workflow.deactivated is None
    ended = decide(lost, FINISH, NOW)
    assert kinds(ended.events) == [WorkflowOver]
    assert ended.after.workflow.over_at is not None


def test_what_is_elsewhere_or_over_stays() -> None:
    state, uuid = running()
    assert decide(state, EndLost("S2", LOST.loss), NOW).after == state
    gone = after(state, completed(uuid))
    assert decide(gone, LOST, NOW).after == gone


def test_a_tms_that_comes_back_gets_no_release_for_what_it_submitted() -> None:
    for state in (ordered(), submitted_there()):
        uuid = first(state)
        lost = after(state, LOST)
        assert kinds(decide(lost, submitted(state, uuid), NOW).events) == [TaskforceRemove]
    over = after(stopping(), LOST)
    assert decide(over, completed(first(over)), NOW).after == over, "nothing is over twice"


def test_a_tms_that_polls_and_comes_back_is_offered_the_removal() -> None:
    state = after(ready(), Launch(first(ready())), policy=POLLING)
    uuid = first(state)
    state = after(state, submitted(state, uuid), policy=POLLING)
    lost = after(state, LOST, policy=POLLING).taskforces[uuid]
    assert is_over(lost)
    assert is_offered_stop(lost, later(seconds=1))
