"""Step aside: leave an event to other workers for a while. (core)

There are two reasons: this worker may be bad, or it has too little of its life left.

At the end of a workflow a bad worker may be the only free worker. Too few different events fail there to prove that it
is bad. So the last event would come back to that worker five times and become a dead letter. Therefore a pilot that has
charged an event, and never had a success, pauses once no event is in hand. The pause is longer than the event stays out
of the queue. If there are other pilots, one of them gets the event. If not, this pilot takes it again after the pause.

No pilot steps aside because of a failure if the task fails on every worker.

An event that takes longer than a worker lives is charged only by a worker that gives it nearly a whole life. When one
worker's life ends, the broker gives the event to the idle worker that has waited longest. That one has little life
left, too, so the event would go from one to the next for ever. Therefore an idle pilot returns such an event once, and
pauses. A worker that begins meanwhile takes it. If none begins, this pilot takes it after the pause.
"""

from pilot.life.instructions import Instruction, Settle, Settlement, StopListening
from pilot.life.records import replace
from pilot.life.retiring import has_nearly_all
from pilot.life.state import PilotState, Stage, Step
from pilot.life.stimuli import HeldEvent

#: After its n-th attempt an event waits n seconds in its queue, unless the operator sets EWMS_EVENT_RETRY_S. The pause
#: is 3 s, plus 2 s for each attempt: long enough for another worker to take the event, too short to look like a stall.
_LEAST_S, _PER_ATTEMPT_S = 3.0, 2.0

#: An event that was returned this often may be one that no late worker can end.
_OFTEN_RETURNED = 4
#: A pilot is idle if no event has come for this many seconds.
_IDLE_S = 5.0
#: How long a pilot leaves such an event to workers that begin: 1% of its worker's runtime, but at least 15 s, in which
#: HTCondor starts a successor, and at most a half of the runtime.
_SHARE, _AT_LEAST_S, _AT_MOST = 0.01, 15.0, 0.5


def note_charged(state: PilotState, held: HeldEvent) -> PilotState:
    """Return `state` with the note that a failed attempt counts for `held`.

    Change nothing if the worker is good, or if the pilot does not step aside at all.
    """
    if state.n_success or not state.policy.judges_worker or state.policy.charges_events:
        return state
    return replace(state, charged=max(state.charged, held.attempt))


def must_step_aside(state: PilotState) -> bool:
    """Return whether the pilot must step aside now: no event is in hand, and it has charged an event."""
    return bool(state.charged) and state.stage is Stage.LISTENING and state.is_empty


def step_aside(state: PilotState, now_s: float, instructions: list[Instruction]) -> Step:
    """Stop taking events until the pause is over."""
    until_s = now_s + _LEAST_S + _PER_ATTEMPT_S * state.charged
    more: list[Instruction] = [StopListening()] if state.listening else []
    return replace(state, aside_until_s=until_s, charged=0, listening=False), [*instructions, *more]


def must_pass_on(state: PilotState, held: HeldEvent, now_s: float) -> bool:
    """Return whether the pilot must leave `held` to a worker with more of its life left."""
    return (
        state.policy.ends_s is not None
        and not state.policy.at_most_once
        and held.n_returned >= _OFTEN_RETURNED
        and held.event_id not in state.passed_on
        and state.is_empty
        and now_s >= state.quiet_since_s + _IDLE_S
        and not has_nearly_all(state, state.policy.ends_s - now_s)
    )


def pass_on(state: PilotState, held: HeldEvent, now_s: float) -> Step:
    """Return `held` to its queue, and stop taking events until the pause is over."""
    runtime_s = state.policy.runtime_s
    until_s = now_s + min(max(_AT_LEAST_S, _SHARE * runtime_s), _AT_MOST * runtime_s)
    passed_on = state.passed_on | {held.event_id}
    state = replace(state, aside_until_s=until_s, passed_on=passed_on, listening=False)
    return state, [Settle(held.key, Settlement.RETURN), StopListening()]


def take_events_again(state: PilotState, now_s: float) -> PilotState:
    """Return `state` at the end of the pause."""
    return replace(state, aside_until_s=None, quiet_since_s=now_s)
