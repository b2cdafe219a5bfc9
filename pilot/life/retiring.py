"""A pilot retires before its worker's runtime is over, and tells a task that is too long from one begun late. (core)

    born ......... ready ............................ retires ............ ends ....... worker's end
          image, init    takes events                    takes no more         kills       settles, says its last word

The worker's runtime (`max_worker_runtime`) ends whatever runs. A pilot keeps some seconds of it for itself. It takes an
event only while a task like the longest so far would still end in time. What runs at the end is killed. An event whose
task had nearly all the time that a worker has to give is charged with a failed attempt, since no worker would do
better; an event that was begun late goes back uncounted.
"""

from dataclasses import replace

from pilot.errors import Failure, init_outlived, task_cut_off, task_outlived
from pilot.life.instructions import Instruction, KillAll
from pilot.life.leaving import SETTLE_GRACE_S, drained, exited, finished
from pilot.life.state import Stage, State
from pilot.life.steps import Step

#: What a pilot keeps of its worker's runtime to settle and to say its last word: this part of it, at most so many
#: seconds.
_KEPT, _MAX_KEPT_S = 0.1, 15.0

#: A task had a worker's whole life if it ran for this part of the time from the pilot's readiness to its end, and for
#: this part of the runtime: a long start of the worker is no fault of the event.
_NEARLY_ALL, _MOST = 0.9, 0.5


def end_of_work_s(born_s: float, runtime_s: float | None) -> float | None:
    """Return when a pilot that was born at `born_s` must be done with its tasks; None: never."""
    return None if runtime_s is None else born_s + runtime_s - min(_MAX_KEPT_S, _KEPT * runtime_s)


def retires_at(state: State) -> float | None:
    """Return when `state` is to take no more events: a task as long as the longest so far would not end in time."""
    ends_s = state.policy.ends_s
    return None if ends_s is None else ends_s - state.pace.longest_s


def has_to_retire(state: State, now_s: float) -> bool:
    """Return whether no time is left for another event."""
    at_s = retires_at(state)
    return at_s is not None and now_s >= at_s


def retired(state: State, now_s: float, instructions: list[Instruction]) -> Step:
    """Take nothing more, since another task would not end in time; what runs goes on."""
    state, more = drained(state)
    return finished(state, now_s, [*instructions, *more])


def is_time_up(state: State, now_s: float) -> bool:
    """Return whether what runs has to be killed now, and was not yet."""
    ends_s = state.policy.ends_s
    return ends_s is not None and now_s >= ends_s and not state.time_up and state.stage is not Stage.OVER


def end_work(state: State, now_s: float) -> Step:
    """Kill what runs: the worker's runtime is nearly over."""
    if state.stage is Stage.QUARANTINED:
        return exited(state, state.exit_status, [])
    until_s = now_s + SETTLE_GRACE_S
    state = replace(state, time_up=True, until_s=until_s if state.until_s is None else min(state.until_s, until_s))
    instructions: list[Instruction] = []
    if state.stage is Stage.INIT:
        error = str(init_outlived(state.policy.runtime_s))
        state = replace(state, stage=Stage.DRAINING, fatal=state.fatal or error)
    elif state.stage is Stage.LISTENING:
        state, instructions = drained(state)
    if (state.running or state.init_runs) and not state.killed:
        state = replace(state, killed=True)
        instructions.append(KillAll())
    return finished(state, now_s, instructions)


def overrun(state: State, took_s: float) -> Failure | None:
    """Return the failure of a task that was killed after `took_s` because time was up; None: it was begun late."""
    ends_s = state.policy.ends_s
    if not state.time_up or ends_s is None:
        return None
    had_all = took_s >= _NEARLY_ALL * (ends_s - state.ready_s) and took_s >= _MOST * state.policy.runtime_s
    return task_outlived(state.policy.runtime_s) if had_all else None


def cut_off(state: State) -> Failure | None:
    """Return what the event's history tells of a task that was begun late and killed because time was up."""
    return task_cut_off(state.policy.runtime_s) if state.time_up else None
