"""A pilot that may be on a bad worker leaves an event that it has charged to others. (core)

At the end of a run a bad worker may be the only one that is free. Too few different events fail there to find it bad,
so a last event would come back to it each time, five times, and be a dead letter. So a pilot that has charged an event
and never had a success takes nothing for longer than the event needs to come back, once its hands are empty. If others
are there, they get the event. If none is, this pilot takes it again, and the event ends all the same.

Where the task fails on every worker nobody steps aside.
"""

from dataclasses import replace

from pilot.life.instructions import Instruction, StopListening
from pilot.life.state import Stage, State
from pilot.life.steps import Step
from pilot.life.stimuli import Held

#: The n-th attempt of an event waits n seconds in its queue, unless the operator says otherwise (EWMS_EVENT_RETRY_S).
#: This is longer by enough for another worker to take it, and too short to look like a stall.
_LEAST_S, _PER_ATTEMPT_S = 3.0, 2.0


def note_charged(state: State, held: Held) -> State:
    """Return `state` after `held` was charged with a failed attempt."""
    if state.n_success or not state.policy.judges_worker or state.policy.charges_events:
        return state
    return replace(state, charged=max(state.charged, held.attempt))


def has_to_step_aside(state: State) -> bool:
    """Return whether nothing is in hand, and what this pilot has charged should go to another."""
    return bool(state.charged) and state.stage is Stage.LISTENING and state.empty


def step_aside(state: State, now_s: float, instructions: list[Instruction]) -> Step:
    """Take nothing for a while."""
    until_s = now_s + _LEAST_S + _PER_ATTEMPT_S * state.charged
    more: list[Instruction] = [StopListening()] if state.listening else []
    return replace(state, aside_until_s=until_s, charged=0, listening=False), [*instructions, *more]


def come_back(state: State, now_s: float) -> State:
    """Return `state` when the time aside is over."""
    return replace(state, aside_until_s=None, quiet_since_s=now_s)
