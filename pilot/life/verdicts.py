"""Decide whether the event or this worker is at fault when a task fails. (core)

A pilot that has had a success knows that its worker is good. From then on a failure is the event's fault, and counts.
Before its first success the pilot knows nothing. So the verdict on a failed event stays *open*: the pilot keeps the
delivery and tries another event. A failure of the container runtime itself leaves the verdict open at any time.

    another event succeeds              the failed events are at fault: each failure counts as an attempt
    enough different events fail        the worker is bad: all events return uncounted; the pilot keeps its slot for
                                        the quarantine and takes no events, so that it does not drain the queue
    no other event comes for a while    the failure counts: the pilot cannot find out more

An event that was charged before, or that two pilots returned, is *known to fail*. Its failure counts at once, and is no
evidence against this worker. Otherwise the events of a task that always fails would go from worker to worker for ever.

If the task fails on every worker, TMS marks the job. Each failure then counts at once, and no worker is bad, until this
pilot has a success of its own.

A worker may also become bad later. The pilot notices that when more fresh events fail in a row than the task's own
failure rate explains.
"""

from math import ceil, log

from pilot.failures.failure import Failure
from pilot.life.instructions import Instruction, Settlement, settle_event
from pilot.life.leaving import begin_draining
from pilot.life.records import replace
from pilot.life.state import PilotState, Stage, Step
from pilot.life.stepping_aside import note_charged
from pilot.life.stimuli import HeldEvent
from schemas.ids import EventId
from schemas.payloads.data_events import DeadReason

#: An event that pilots have returned this many times is known to fail.
KNOWN_AFTER = 2

#: Reasons that come from what the event needs. The event would fail in the same way on every worker of this task.
_EVENTS_OWN = frozenset({DeadReason.TASK_OUTLIVED_WORKER, DeadReason.OUT_OF_MEMORY})

#: How many seconds a verdict stays open while no other event comes.
OPEN_S = 10.0

#: A row of failures is the worker's fault if the row would arise by chance with a probability below this number.
_BY_CHANCE = 1e-4


def is_known_to_fail(held: HeldEvent) -> bool:
    """Return whether earlier attempts have shown that the event fails."""
    return held.attempt > 1 or held.n_returned >= KNOWN_AFTER


def is_verdict_open(state: PilotState, held: HeldEvent, failure: Failure) -> bool:
    """Return whether the pilot does not know yet if the event or the worker is at fault."""
    policy = state.policy
    return (
        policy.judges_worker
        and not state.blames_events
        and held.live
        and not failure.final
        and failure.reason not in _EVENTS_OWN
        and not is_known_to_fail(held)
        and (state.n_success == 0 or failure.by_runtime)
    )


def extend_row(state: PilotState, held: HeldEvent, failure: Failure) -> tuple[EventId, ...]:
    """Return the ids of the different events that failed in a row.

    Add the id of `held` if its failure is evidence against this worker.
    """
    event = held.event_id or EventId(str(held.key))
    row = state.failed_in_a_row
    is_events_own = failure.reason in _EVENTS_OWN or failure.final or is_known_to_fail(held)
    if event in row or (state.policy.judges_worker and is_events_own):
        return row
    return (*row, event)


def is_worker_bad(state: PilotState) -> bool:
    """Return whether so many different events have failed in a row that this worker counts as bad."""
    least = state.policy.max_failures_in_a_row
    if least <= 0 or state.blames_events:
        return False
    if state.n_success and state.policy.judges_worker:
        n_others = state.n_failed - len(state.failed_in_a_row)
        rate = (n_others + 1) / (n_others + state.n_success + 2)
        least = max(least, ceil(log(_BY_CHANCE) / log(rate)))
    return len(state.failed_in_a_row) >= least


def condemn_worker(state: PilotState) -> Step:
    """Declare the worker bad: give back the events whose verdict is open, and begin to leave."""
    n = len(state.failed_in_a_row)
    what = f"{n} different events failed here in a row" + ("" if state.n_success else ", and none succeeded")
    last = f": {state.errors[-1]}" if state.errors else ""
    state = replace(state, is_bad=True, fatal=state.fatal or f"BadWorker({what + last!r})")
    return begin_draining(state)


def charge_events(state: PilotState) -> Step:
    """Count each failure with an open verdict as a failed attempt at its event.

    If the task runs at most once, return the events uncounted: a counted attempt would say that the task may have run.
    """
    how = Settlement.RETURN if state.policy.at_most_once else Settlement.REJECT
    charged: list[Instruction] = [settle_event(it.held, how, it.failure) for it in state.open.values()]
    for it in state.open.values():
        state = note_charged(state, it.held)
    return replace(state, open={}), charged


def verdict_due_at(state: PilotState) -> float | None:
    """Return when to decide the open verdicts if no other event comes by then.

    Return None if no verdict is open, or if the pilot still runs or publishes an event.
    """
    is_waiting = bool(state.open) and not (state.running or state.waiting or state.settling)
    return state.quiet_since_s + OPEN_S if is_waiting and state.stage is Stage.LISTENING else None
