"""Workers that are added to a task are a taskforce of their own."""

import pytest

from schemas.errors import Rejected, Unprocessable
from schemas.events import (
    WorkflowRequested,
)
from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.phases import Phase
from tests.unit.wms.fleet.life.lifecycle_stimuli import FINISH, adding
from tests.unit.wms.fleets import (
    NOW,
    activated,
    after,
    aggregate,
    decide,
    last_line,
    later,
    running,
    task_request,
)
from wms.fleet.choices.locations import Location
from wms.fleet.id_source import IdSource
from wms.fleet.life.stimuli import AddWorkers, Woken


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
