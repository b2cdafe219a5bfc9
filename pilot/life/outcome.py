"""What becomes of an event whose run has ended: its output, another attempt, or a dead letter. (core)"""

from dataclasses import replace

from pilot.errors import Failure
from pilot.life.attempts import gives_up
from pilot.life.instructions import Count, How, Instruction, PublishDeadLetter, PublishOutput
from pilot.life.leaving import drained
from pilot.life.lookahead import paced
from pilot.life.retiring import cut_off, overrun
from pilot.life.state import OpenVerdict, Settling, Stage, State
from pilot.life.stepping_aside import note_charged
from pilot.life.steps import Step, settled
from pilot.life.stimuli import Confirmed, Ended, Held, Refused
from pilot.life.taking import onward
from pilot.life.verdicts import charge_events, condemn_worker, is_open, is_worker_bad, row_after

#: An event that a full queue refuses is published again after these seconds. The last one repeats for ever.
_OFFER_AGAIN_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)

#: How many different errors a pilot repeats in its last status.
_MAX_ERRORS = 3


def ended(state: State, stimulus: Ended) -> Step:
    now_s, key = stimulus.now_s, stimulus.key
    if key not in state.running:
        return state, []
    held = state.running[key]
    running = {k: v for k, v in state.running.items() if k != key}
    pace = state.pace if stimulus.interrupted else paced(state.pace, stimulus.took_s)
    state = replace(state, running=running, pace=pace, full_since_s=None, quiet_since_s=now_s)
    instructions: list[Instruction] = []
    failure = overrun(state, stimulus.took_s) if stimulus.interrupted else stimulus.failure
    if failure is not None:
        state, instructions = _failed(state, held, failure, now_s)
    elif stimulus.interrupted:
        instructions.append(settled(held, How.RETURN, cut_off(state)))
    elif stimulus.has_output:
        state = replace(state, settling={**state.settling, key: Settling(held)})
        instructions.append(PublishOutput(key))
    else:
        state, instructions = _succeeded(state, held)
    return onward(state, now_s, instructions)


def _succeeded(state: State, held: Held) -> Step:
    fatal = "" if state.is_bad else state.fatal
    state = replace(state, n_success=state.n_success + 1, failed_in_a_row=(), fatal=fatal, is_bad=False, charged=0)
    state, charged = charge_events(state)
    return state, [settled(held, How.ACK), *charged, Count(state.n_failed, state.n_success)]


def _failed(state: State, held: Held, failure: Failure, now_s: float) -> Step:
    """Count the failure, decide what becomes of its event, and stop if the policy says so."""
    policy = state.policy
    text = failure.signature
    errors = state.errors if text in state.errors else (*state.errors, text)[:_MAX_ERRORS]
    okay = bool(policy.okay_errors & {failure.type, failure.aka})
    verdict_is_open = not okay and is_open(state, held, failure)
    row = state.failed_in_a_row if okay else row_after(state, held, failure)
    state = replace(state, n_failed=state.n_failed + 1, errors=errors, failed_in_a_row=row, traceback=failure.traceback)
    instructions: list[Instruction] = [Count(state.n_failed, state.n_success, failure, held)]
    if verdict_is_open and state.stage is Stage.LISTENING:
        state = replace(state, open={**state.open, held.key: OpenVerdict(held, failure)})
    elif verdict_is_open:
        instructions.append(settled(held, How.RETURN, failure))
    elif held.live and gives_up(failure, held.attempt):
        state = replace(state, settling={**state.settling, held.key: Settling(held, failure)})
        instructions.append(PublishDeadLetter(held.key, failure, held.attempt))
    else:
        instructions.append(settled(held, How.REJECT, failure))
        state = note_charged(state, held)
    if state.stage is Stage.LISTENING and not okay:
        more: list[Instruction] = []
        if policy.judges_worker and is_worker_bad(state):
            state, more = condemn_worker(state)
        elif policy.stop_on_error or is_worker_bad(state):
            state, more = drained(state)
        instructions += more
    return state, instructions


def confirmed(state: State, stimulus: Confirmed) -> Step:
    if stimulus.key not in state.settling:
        return state, []
    item = state.settling[stimulus.key]
    state = _without_settling(state, stimulus.key, stimulus.now_s)
    if item.failure is None:
        state, instructions = _succeeded(state, item.held)
    else:
        instructions = [settled(item.held, How.ACK)]
    return onward(state, stimulus.now_s, instructions)


def refused(state: State, stimulus: Refused) -> Step:
    key = stimulus.key
    if key not in state.settling:
        return state, []
    item = state.settling[key]
    if stimulus.passing:
        after_s = _OFFER_AGAIN_S[min(item.n_refused, len(_OFFER_AGAIN_S) - 1)]
        again = replace(item, n_refused=item.n_refused + 1)
        state = replace(state, settling={**state.settling, key: again})
        if item.failure is not None:
            return state, [PublishDeadLetter(key, item.failure, item.held.attempt, after_s)]
        return state, [PublishOutput(key, after_s)]
    state = _without_settling(state, key, stimulus.now_s)
    if item.failure is not None:
        return onward(state, stimulus.now_s, [settled(item.held, How.DISCARD)])
    state, instructions = _failed(state, item.held, stimulus.failure, stimulus.now_s)
    return onward(state, stimulus.now_s, instructions)


def _without_settling(state: State, key: int, now_s: float) -> State:
    return replace(state, settling={k: v for k, v in state.settling.items() if k != key}, quiet_since_s=now_s)
