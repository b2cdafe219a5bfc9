"""Retire before the worker's runtime ends, and distinguish tasks that are too long from late ones. (core)

    born ......... ready ............................ retires ............ ends ....... worker's end
          image, init    takes events                    takes no more         kills       settles, reports its end

HTCondor ends a worker after its runtime (`max_worker_runtime`). A pilot keeps some seconds of that for itself. It takes
an event only while a task as long as the longest so far would still end in time. At the end it kills the tasks that
still run. If a task had nearly all the time that a worker can give, its event is charged with a failed attempt: no
worker would do better. If the task began late, its event goes back uncounted.
"""

from dataclasses import replace

from pilot.errors import Failure, init_outlived, task_cut_off, task_outlived
from pilot.life.instructions import Instruction, KillAll
from pilot.life.leaving import SETTLE_GRACE_S, begin_draining, exit_with, finish_if_empty
from pilot.life.state import PilotState, Stage
from pilot.life.steps import Step

#: A pilot keeps 10% of its worker's runtime, at most 15 seconds, to settle events and to report its end.
_KEPT, _MAX_KEPT_S = 0.1, 15.0

#: A task had a worker's whole life if it ran for 90% of the time from the pilot's readiness to its end, and for 50% of
#: the worker's runtime. The second rule protects events from a worker that started slowly.
_NEARLY_ALL, _MOST = 0.9, 0.5


def end_of_work_s(born_s: float, runtime_s: float | None) -> float | None:
    """Return when a pilot that began at `born_s` must be done with its tasks; None without a limit."""
    return None if runtime_s is None else born_s + runtime_s - min(_MAX_KEPT_S, _KEPT * runtime_s)


def retires_at(state: PilotState) -> float | None:
    """Return from when on the pilot takes no more events: a task as long as the longest would then end too late."""
    ends_s = state.policy.ends_s
    return None if ends_s is None else ends_s - state.pace.longest_s


def must_retire(state: PilotState, now_s: float) -> bool:
    """Return whether no time is left for another event."""
    at_s = retires_at(state)
    return at_s is not None and now_s >= at_s


def begin_retiring(state: PilotState, now_s: float, instructions: list[Instruction]) -> Step:
    """Take no more events, because another task would not end in time. The tasks that run go on."""
    state, more = begin_draining(state)
    return finish_if_empty(state, now_s, [*instructions, *more])


def is_time_up(state: PilotState, now_s: float) -> bool:
    """Return whether the pilot's working time has just ended, so that it must kill the tasks that run."""
    ends_s = state.policy.ends_s
    return ends_s is not None and now_s >= ends_s and not state.time_up and state.stage is not Stage.OVER


def end_work(state: PilotState, now_s: float) -> Step:
    """Kill the tasks that run, because the worker's runtime is nearly over."""
    if state.stage is Stage.QUARANTINED:
        return exit_with(state, state.exit_status, [])
    until_s = now_s + SETTLE_GRACE_S
    state = replace(state, time_up=True, until_s=until_s if state.until_s is None else min(state.until_s, until_s))
    instructions: list[Instruction] = []
    if state.stage is Stage.INIT:
        error = str(init_outlived(state.policy.runtime_s))
        state = replace(state, stage=Stage.DRAINING, fatal=state.fatal or error)
    elif state.stage is Stage.LISTENING:
        state, instructions = begin_draining(state)
    if (state.running or state.init_runs) and not state.killed:
        state = replace(state, killed=True)
        instructions.append(KillAll())
    return finish_if_empty(state, now_s, instructions)


def overrun_failure(state: PilotState, took_s: float) -> Failure | None:
    """Return the failure of a task that was killed after `took_s` because time was up; None if it began late."""
    ends_s = state.policy.ends_s
    if not state.time_up or ends_s is None:
        return None
    had_all = took_s >= _NEARLY_ALL * (ends_s - state.ready_s) and took_s >= _MOST * state.policy.runtime_s
    return task_outlived(state.policy.runtime_s) if had_all else None


def cut_off_failure(state: PilotState) -> Failure | None:
    """Return the failure to report of a task that began late and was killed because time was up; else None."""
    return task_cut_off(state.policy.runtime_s) if state.time_up else None
