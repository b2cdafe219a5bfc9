"""Retire before the worker's runtime ends, and tell tasks that take too long from tasks that began late. (core)

    born ......... ready ............................ retires ............ ends ....... worker's end
          image, init    takes events                    takes no more         kills       settles, reports its end

HTCondor ends a worker after its runtime (`max_worker_runtime`). A pilot reserves some seconds of that for itself. It
takes an event only while a task as long as the longest so far would still end in time. At `ends` the pilot kills the
tasks that still run. If a task had nearly all the time that a worker can give, its event is charged with a failed
attempt: another worker would have no more time. If the task began late, its event returns to the queue, and no attempt
counts.

If a task runs at most once, a killed run is final. So the pilot then reserves the task's timeout.
"""

from pilot.failures.failure import Failure
from pilot.failures.lifetime_failures import init_too_long_failure, task_cut_off, task_outlived
from pilot.life.instructions import Instruction, KillAll
from pilot.life.leaving import SETTLE_GRACE_S, begin_draining, exit_with
from pilot.life.records import replace
from pilot.life.state import PilotState, Stage, Step

#: A pilot reserves 10% of its worker's runtime, at most 15 seconds, to settle events and to report its end.
_KEPT, _MAX_KEPT_S = 0.1, 15.0

#: A task had nearly all the time that a worker can give if it ran for 90% of the time from `ready` to `ends`, and for
#: 50% of the worker's runtime. The second rule protects events from a worker that started slowly.
_NEARLY_ALL, _MOST = 0.9, 0.5


def end_of_work_s(born_s: float, runtime_s: float | None) -> float | None:
    """Return when a pilot that began at `born_s` must have ended its tasks. Return None if there is no limit."""
    return None if runtime_s is None else born_s + runtime_s - min(_MAX_KEPT_S, _KEPT * runtime_s)


def retires_at(state: PilotState) -> float | None:
    """Return the time from which the pilot takes no more events. Return None if there is no limit.

    After that time, a task as long as the longest so far would not end in time. If the task runs at most once, each
    task counts as long as its timeout, but the pilot takes events for a tenth of its time at least.
    """
    ends_s = state.policy.ends_s
    if ends_s is None:
        return None
    reserved_s = min(state.policy.longest_run_s, _NEARLY_ALL * (ends_s - state.ready_s))
    return ends_s - max(state.pace.longest_s, reserved_s)


def must_retire(state: PilotState, now_s: float) -> bool:
    """Return whether too little time is left for another event."""
    at_s = retires_at(state)
    return at_s is not None and now_s >= at_s


def is_time_up(state: PilotState, now_s: float) -> bool:
    """Return whether the pilot must end its work now: its time is over, and `end_work` was not called yet."""
    ends_s = state.policy.ends_s
    return ends_s is not None and now_s >= ends_s and not state.time_up and state.stage is not Stage.OVER


def end_work(state: PilotState, now_s: float) -> Step:
    """End the work, because the worker's runtime is nearly over: take no more events, and kill the running tasks."""
    if state.stage is Stage.QUARANTINED:
        return exit_with(state, state.exit_status, [])
    until_s = now_s + SETTLE_GRACE_S
    state = replace(state, time_up=True, until_s=until_s if state.until_s is None else min(state.until_s, until_s))
    instructions: list[Instruction] = []
    if state.stage is Stage.INIT:
        error = str(init_too_long_failure(state.policy.runtime_s))
        state = replace(state, stage=Stage.DRAINING, fatal=state.fatal or error)
    elif state.stage is Stage.LISTENING:
        state, instructions = begin_draining(state)
    if (state.running or state.init_runs) and not state.killed:
        state = replace(state, killed=True)
        instructions.append(KillAll())
    return state, instructions


def overrun_failure(state: PilotState, took_s: float) -> Failure | None:
    """Return the failure of a task that the pilot killed after `took_s` seconds because time was up.

    Return None if time is not up, or if the task began late: then call `cut_off_failure`.
    """
    ends_s = state.policy.ends_s
    if not state.time_up or ends_s is None:
        return None
    had_all = has_nearly_all(state, took_s) and took_s >= _MOST * state.policy.runtime_s
    return task_outlived(state.policy.runtime_s) if had_all else None


def has_nearly_all(state: PilotState, time_s: float) -> bool:
    """Return whether `time_s` is nearly all the time that this pilot has for tasks. Its life must have an end."""
    return state.policy.ends_s is not None and time_s >= _NEARLY_ALL * (state.policy.ends_s - state.ready_s)


def cut_off_failure(state: PilotState) -> Failure | None:
    """Return the failure to report of a task that began late and that the pilot killed because time was up.

    Return None if time is not up. Call `overrun_failure` first.
    """
    return task_cut_off(state.policy.runtime_s) if state.time_up else None
