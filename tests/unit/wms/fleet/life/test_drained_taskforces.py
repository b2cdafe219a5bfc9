"""What a drain does to the taskforces of a workflow: it calls back, ends and replaces."""

from dataclasses import replace

from schemas.events import TaskforceRemove, TaskforceStop
from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.phases import Phase
from tests.unit.wms.fleet.life.lifecycle_stimuli import FINISH, kinds
from tests.unit.wms.fleets import (
    NOW,
    activated,
    after,
    aggregate,
    completed,
    decide,
    failed,
    first,
    last_line,
    later,
    running,
    submitted,
    task_request,
)
from wms.fleet.id_source import IdSource
from wms.fleet.life.aggregate import Aggregate, FleetDecision
from wms.fleet.life.stimuli import EndDrained, Launch, Woken


def ending(schedd: str = "S1", *, ends_workers: bool = False, seed: bytes = b"d") -> EndDrained:
    return EndDrained(schedd, "an operator drained it", ends_workers=ends_workers, mint=IdSource(seed, NOW))


def ordered() -> Aggregate:
    """Return a workflow whose one taskforce its TMS has been ordered to start."""
    state = aggregate(task_request())
    return after(state, activated(state), Launch(first(state)))


def find_replacement(before: Aggregate, outcome: FleetDecision) -> TaskforceDocument:
    (added,) = set(outcome.after.taskforces) - set(before.taskforces)
    return outcome.after.taskforces[added]


def test_an_ordered_start_is_called_back_and_another_taskforce_waits_in_its_place() -> None:
    state = ordered()
    uuid = first(state)
    outcome = decide(state, ending(), later(seconds=9))
    assert kinds(outcome.events) == [TaskforceStop]
    assert outcome.after.taskforces[uuid].phase is Phase.PENDING_STOPPER
    assert outcome.after.workflow.deactivated is None
    line = last_line(outcome, uuid)
    assert (line.source_entity, line.context) == ("Operator", "Called back, because an operator drained it")
    # The TMS may have submitted it meanwhile. WMS removes that cluster before anything of it runs.
    assert kinds(decide(outcome.after, submitted(state, uuid), NOW).events) == [TaskforceRemove]
    replacement, old = find_replacement(state, outcome), state.taskforces[uuid]
    assert (replacement.n_workers, replacement.schedd, replacement.priority) == (old.n_workers, "S1", old.priority)
    assert replacement.launch_rank == old.launch_rank, "it has the turn of the one that it replaces"
    assert outcome.after.workflow.wake_at is not None
    waiting = after(outcome.after, Woken(), now=later(seconds=9)).taskforces[replacement.taskforce_uuid]
    assert waiting.phase is Phase.PRE_LAUNCH, "it waits for the launcher, which starts nothing at a drained schedd"


def test_workers_go_on_until_the_deadline_and_then_a_taskforce_with_as_many_waits_in_their_place() -> None:
    state, uuid = running()
    assert decide(state, ending(), NOW).after == state
    outcome = decide(state, ending(ends_workers=True), NOW)
    assert kinds(outcome.events) == [TaskforceStop]
    line = last_line(outcome, uuid)
    assert (line.source_entity, line.context) == ("Operator", "Ended, because an operator drained it")
    replacement = find_replacement(state, outcome)
    assert (replacement.n_workers, replacement.task_id) == (10, state.taskforces[uuid].task_id)
    assert replacement.phase_change_log[0].context == (
        f"Created to take the place of {uuid}, because an operator drained it"
    )
    again = decide(outcome.after, ending(ends_workers=True, seed=b"other"), NOW)
    assert (again.after, again.events) == (outcome.after, ()), "one look more replaces nothing more"
    gone = after(outcome.after, completed(uuid))
    assert gone.workflow.over_at is None
    started = after(gone, Woken(), Launch(replacement.taskforce_uuid))
    assert started.taskforces[replacement.taskforce_uuid].phase is Phase.PENDING_STARTER


def test_a_taskforce_that_htcondor_has_only_queued_is_called_back_too() -> None:
    state, uuid = running()
    queued = replace(ending(), queued=frozenset({uuid}))
    outcome = decide(state, queued, NOW)
    assert kinds(outcome.events) == [TaskforceStop]
    assert last_line(outcome, uuid).context == "Called back, because an operator drained it"
    assert find_replacement(state, outcome).n_workers == 10
    # It may have ended since the watch looked.
    gone = after(outcome.after, completed(uuid))
    assert decide(gone, queued, NOW).after == gone


def test_what_waits_at_a_drained_schedd_and_what_is_elsewhere_stays() -> None:
    waiting = aggregate(task_request())
    ready = after(waiting, activated(waiting))
    refused = after(ordered(), failed(first(ordered())))
    ended = after(running()[0], FINISH)
    for state in (waiting, ready, refused, ended):
        assert decide(state, ending(ends_workers=True), NOW).after == state
    for state in (ordered(), running()[0]):
        assert decide(state, ending("S2", ends_workers=True), NOW).after == state


def test_a_workflow_without_room_loses_the_taskforce_and_its_log_says_so() -> None:
    heavy = {"environment": {"EWMS_PILOT_OKAY_ERRORS": "x" * 130_000}}
    state = aggregate(*(task_request(task_args=str(n), pilot_config=heavy) for n in range(64)))
    uuid = first(state)
    state = after(state, activated(state), Launch(uuid))
    outcome = decide(state, ending(), NOW)
    assert set(outcome.after.taskforces) == set(state.taskforces)
    assert "; nothing takes its place: a workflow can have at most 8388608 bytes" in last_line(outcome, uuid).context
