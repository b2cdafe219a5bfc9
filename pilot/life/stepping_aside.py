"""Step aside: leave an event that failed here to other workers for a while, in case this worker is bad. (core)

At the end of a workflow a bad worker may be the only free worker. Too few different events fail there to prove that it
is bad. So the last event would come back to that worker five times and become a dead letter. Therefore a pilot that has
charged an event, and never had a success, pauses once no event is in hand. The pause is longer than the event stays out
of the queue. If there are other pilots, one of them gets the event. If not, this pilot takes it again after the pause.

No pilot steps aside if the task fails on every worker.
"""

from pilot.life.instructions import Instruction, StopListening
from pilot.life.records import replace
from pilot.life.state import PilotState, Stage, Step
from pilot.life.stimuli import HeldEvent

#: After its n-th attempt an event waits n seconds in its queue, unless the operator sets EWMS_EVENT_RETRY_S. The pause
#: is 3 s, plus 2 s for each attempt: long enough for another worker to take the event, too short to look like a stall.
_LEAST_S, _PER_ATTEMPT_S = 3.0, 2.0


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


def take_events_again(state: PilotState, now_s: float) -> PilotState:
    """Return `state` at the end of the pause."""
    return replace(state, aside_until_s=None, quiet_since_s=now_s)
