"""Let a pilot leave: take no more events, finish or return the events in hand, and report the end. (core)"""

from pilot.life.instructions import (
    ChirpStatus,
    CoolDown,
    Instruction,
    KillAll,
    LeaveProcess,
    Settlement,
    StopListening,
    settle_event,
)
from pilot.life.records import replace
from pilot.life.state import PilotState, Stage, Step, report_status
from schemas.fleet.statuses import PilotStatus

#: After the grace time of a stop, the broker has this many seconds to confirm the finished results.
SETTLE_GRACE_S = 5.0


def begin_stop(state: PilotState, now_s: float) -> Step:
    """Begin to stop: take no more events, and let the running tasks go on until the grace time is over."""
    if state.stage is Stage.QUARANTINED:
        return exit_with(state, state.exit_status, [])
    deadline_s = now_s + state.policy.drain_grace_s
    if state.stage is Stage.INIT:
        return replace(state, stage=Stage.DRAINING, killed=True, until_s=now_s + SETTLE_GRACE_S), [KillAll()]
    until_s = deadline_s if state.until_s is None else state.until_s
    instructions: list[Instruction] = []
    if state.stage is Stage.LISTENING:
        state, instructions = begin_draining(state)
    return replace(state, until_s=until_s), instructions


def begin_draining(state: PilotState) -> Step:
    """Take no more events, return waiting events to their queues, and let the running tasks end."""
    instructions: list[Instruction] = [StopListening()] if state.listening else []
    instructions += [settle_event(held, Settlement.RETURN) for held in state.waiting]
    # The open failures do not count as attempts, but the pilot reports them.
    instructions += [settle_event(it.held, Settlement.RETURN, it.failure) for it in state.open.values()]
    state = replace(state, stage=Stage.DRAINING, waiting=(), open={}, listening=False, full_since_s=None)
    if not state.is_empty:
        return report_status(state, PilotStatus.PENDING_REMAINING_TASKS, instructions)
    return state, instructions


def abandon_all(state: PilotState) -> Step:
    """Kill all containers, because time is up. Return every event without a confirmed result to its queue.

    If the task runs at most once, the attempt counts for each event whose run has begun.
    """
    begun = (*state.running.values(), *(item.held for item in state.settling.values()))
    untried = (*state.waiting, *(it.held for it in state.open.values()))
    # A counted attempt tells the next pilot that the task may have run.
    how = Settlement.REJECT if state.policy.at_most_once else Settlement.RETURN
    instructions: list[Instruction] = [KillAll()] if state.running or state.init_runs or state.warm else []
    # A quarantine may follow. An active subscription would deliver the returned events to this pilot again and again.
    instructions += [StopListening()] if state.listening else []
    instructions += [settle_event(held, Settlement.RETURN) for held in untried]
    instructions += [settle_event(held, how) for held in begun]
    state = replace(state, stage=Stage.DRAINING, waiting=(), open={}, running={}, settling={}, init_runs=False)
    return replace(state, listening=False, warm=False, cooling=False), instructions


def finish_if_empty(state: PilotState, now_s: float, instructions: list[Instruction]) -> Step:
    """End the pilot if no event is in hand. First let the warm containers end, if there are any."""
    if not state.is_empty:
        return state, instructions
    if state.warm:
        return _begin_cooling(state, now_s, instructions)
    error = state.fatal
    if not error and state.n_failed and not state.asked_to_stop and not state.policy.reports_outcomes:
        error = f"RuntimeError: {state.n_failed} TASK(S) FAILED: {', '.join(state.errors)}"
    if not error:
        state, instructions = report_status(state, PilotStatus.DONE, instructions)
        return exit_with(state, 0, instructions)
    instructions.append(ChirpStatus(PilotStatus.FATAL_ERROR, error, state.traceback, state.is_bad))
    if _should_keep_slot(state):
        state = replace(state, stage=Stage.QUARANTINED, until_s=now_s + state.policy.quarantine_s, away_since_s=None)
        return state, instructions
    return exit_with(state, state.exit_status, instructions)


def _should_keep_slot(state: PilotState) -> bool:
    """Return whether the pilot enters quarantine: it stays in its slot, so that a bad worker takes no other job.

    A pilot that has found its worker good does not stay. It leaves because it is idle, or because no time is left for
    another event.
    """
    if not state.policy.quarantine_s or state.asked_to_stop or state.is_closed or state.time_up:
        return False
    return bool(state.fatal) or not state.policy.judges_worker


def _begin_cooling(state: PilotState, now_s: float, instructions: list[Instruction]) -> Step:
    """Let the warm containers end. After a stop, they have what is left of its grace time."""
    if state.cooling:
        return state, instructions
    until_s = now_s + state.policy.drain_grace_s if state.until_s is None else state.until_s
    return replace(state, cooling=True, until_s=until_s), [*instructions, CoolDown()]


def exit_with(state: PilotState, status: int, instructions: list[Instruction]) -> Step:
    return replace(state, stage=Stage.OVER, until_s=None, away_since_s=None), [*instructions, LeaveProcess(status)]
