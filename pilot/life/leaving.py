"""How a pilot leaves: it takes no more events, finishes or returns those in hand, and reports its end. (core)"""

from dataclasses import replace

from pilot.life.instructions import CoolDown, Exit, How, Instruction, KillAll, Report, StopListening
from pilot.life.state import Stage, State
from pilot.life.steps import Step, reported, settled
from schemas.statuses import PilotStatus

#: After the grace of a stop, results that are finished get this much longer to reach the broker.
SETTLE_GRACE_S = 5.0


def stop(state: State, now_s: float) -> Step:
    """Take no more events. What runs has the grace time to end."""
    if state.stage is Stage.QUARANTINED:
        return exited(state, state.exit_status, [])
    deadline_s = now_s + state.policy.drain_grace_s
    if state.stage is Stage.INIT:
        state = replace(state, stage=Stage.DRAINING, killed=True, until_s=now_s + SETTLE_GRACE_S)
        return finished(state, now_s, [KillAll()])
    until_s = deadline_s if state.until_s is None else state.until_s
    instructions: list[Instruction] = []
    if state.stage is Stage.LISTENING:
        state, instructions = drained(state)
    return finished(replace(state, until_s=until_s), now_s, instructions)


def drained(state: State) -> Step:
    """Take no more events, return those that were not started, go on with those that run."""
    instructions: list[Instruction] = [StopListening()] if state.listening else []
    instructions += [settled(held, How.RETURN) for held in state.waiting]
    # These failures count no attempt, but they are reported.
    instructions += [settled(it.held, How.RETURN, it.failure) for it in state.open.values()]
    state = replace(state, stage=Stage.DRAINING, waiting=(), open={}, listening=False, full_since_s=None)
    if not state.empty:
        return reported(state, PilotStatus.PENDING_REMAINING_TASKS, instructions)
    return state, instructions


def abandoned(state: State, now_s: float) -> Step:
    """Drop everything, because time is up. Events that are not confirmed go back to their queues."""
    settling = (item.held for item in state.settling.values())
    held = (*state.waiting, *(it.held for it in state.open.values()), *state.running.values(), *settling)
    instructions: list[Instruction] = [KillAll()] if state.running or state.init_runs or state.warm else []
    # A quarantine may follow. A subscription that stands would deliver the returned events here again, without end.
    instructions += [StopListening()] if state.listening else []
    instructions += [settled(item, How.RETURN) for item in held]
    state = replace(state, stage=Stage.DRAINING, waiting=(), open={}, running={}, settling={}, init_runs=False)
    state = replace(state, listening=False, warm=False, cooling=False)
    return finished(state, now_s, instructions)


def finished(state: State, now_s: float, instructions: list[Instruction]) -> Step:
    """End the pilot once no event is in hand."""
    if not state.empty:
        return state, instructions
    if state.warm:
        return _cooled_down(state, now_s, instructions)
    error = state.fatal
    if not error and state.n_failed and not state.asked_to_stop:
        error = f"RuntimeError: {state.n_failed} TASK(S) FAILED: {', '.join(state.errors)}"
    if not error:
        state, instructions = reported(state, PilotStatus.DONE, instructions)
        return exited(state, 0, instructions)
    instructions.append(Report(PilotStatus.FATAL_ERROR, error, state.traceback, state.is_bad))
    if _is_to_keep_its_slot(state):
        state = replace(state, stage=Stage.QUARANTINED, until_s=now_s + state.policy.quarantine_s, away_since_s=None)
        return state, instructions
    return exited(state, state.exit_status, instructions)


def _is_to_keep_its_slot(state: State) -> bool:
    """Return whether the pilot enters quarantine: it stays a while, so that its worker takes no next job at once.

    A pilot that judges its worker and found it good has no reason to stay. It leaves because it is idle, or because
    no time is left for another event.
    """
    if not state.policy.quarantine_s or state.asked_to_stop or state.is_closed or state.time_up:
        return False
    return bool(state.fatal) or not state.policy.judges_worker


def _cooled_down(state: State, now_s: float, instructions: list[Instruction]) -> Step:
    """Let the warm containers end. After a requested stop they have what is left of its grace time."""
    if state.cooling:
        return state, instructions
    until_s = now_s + state.policy.drain_grace_s if state.until_s is None else state.until_s
    return replace(state, cooling=True, until_s=until_s), [*instructions, CoolDown()]


def exited(state: State, status: int, instructions: list[Instruction]) -> Step:
    return replace(state, stage=Stage.OVER, until_s=None, away_since_s=None), [*instructions, Exit(status)]
