"""Decide what follows a run: publish the output or the outcome, try the event again, or make a dead letter. (core)

If the pilot reports outcomes, a failure of the task is an *answer*: its outcome is published, and the event is not
tried again. An answer is no evidence against the worker. A failure of the container runtime is no answer, because the
task has not run: such an event is tried elsewhere, and several of them show that the worker is bad. If the task runs at
most once, the event is tried elsewhere only if its container has surely not started. That attempt does not count.
"""

from pilot.failures.failure import Failure
from pilot.failures.lifetime_failures import task_stopped
from pilot.life.attempts import gives_up
from pilot.life.instructions import (
    ChirpCounters,
    Instruction,
    PublishDeadLetter,
    PublishOutcome,
    PublishOutput,
    Settlement,
    settle_event,
)
from pilot.life.leaving import begin_draining
from pilot.life.lookahead import update_pace
from pilot.life.records import replace
from pilot.life.retiring import cut_off_failure, overrun_failure
from pilot.life.state import OpenVerdict, PilotState, Stage, Step, UnsettledEvent
from pilot.life.stepping_aside import note_charged
from pilot.life.stimuli import HeldEvent, PublishConfirmed, PublishRefused, RunEnded
from pilot.life.verdicts import (
    charge_events,
    condemn_worker,
    extend_row,
    is_known_to_fail,
    is_verdict_open,
    is_worker_bad,
)

#: Seconds from a full queue's refusal to the next publication. The last number also holds for all later refusals.
_OFFER_AGAIN_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)

#: How many different errors a pilot names in its last status.
_MAX_ERRORS = 3


def record_end(state: PilotState, stimulus: RunEnded) -> Step:
    now_s, key = stimulus.now_s, stimulus.key
    if key not in state.running:
        return state, []
    held = state.running[key]
    running = {k: v for k, v in state.running.items() if k != key}
    pace = state.pace if stimulus.interrupted else update_pace(state.pace, stimulus.took_s)
    state = replace(state, running=running, pace=pace, full_since_s=None, quiet_since_s=now_s)
    instructions: list[Instruction] = []
    failure = overrun_failure(state, stimulus.took_s) if stimulus.interrupted else stimulus.failure
    if stimulus.interrupted and failure is None and state.policy.at_most_once:
        failure = task_stopped()
    if failure is not None:
        state, instructions = _record_failure(state, held, failure)
    elif stimulus.interrupted:
        instructions.append(settle_event(held, Settlement.RETURN, cut_off_failure(state)))
    elif stimulus.has_output or state.policy.reports_outcomes:
        state = replace(state, settling={**state.settling, key: UnsettledEvent(held)})
        instructions.append(PublishOutput(key))
    else:
        state, instructions = _record_success(state, held)
    return state, instructions


def _record_success(state: PilotState, held: HeldEvent) -> Step:
    fatal = "" if state.is_bad else state.fatal
    state = replace(state, n_success=state.n_success + 1, failed_in_a_row=(), fatal=fatal, is_bad=False, charged=0)
    state, charged = charge_events(state)
    return state, [settle_event(held, Settlement.ACK), *charged, ChirpCounters(state.n_failed, state.n_success)]


def _record_failure(state: PilotState, held: HeldEvent, failure: Failure) -> Step:
    """Count the failure, decide what follows for its event, and stop if the policy demands that."""
    policy = state.policy
    text = failure.signature
    errors = state.errors if text in state.errors else (*state.errors, text)[:_MAX_ERRORS]
    is_answer = policy.reports_outcomes and not failure.by_runtime
    okay = is_answer or bool(policy.okay_errors & {failure.type, failure.aka})
    may_return = failure.never_ran and held.live and not is_known_to_fail(held)
    is_last = is_answer or (policy.at_most_once and not may_return)
    verdict_is_open = not okay and not is_last and is_verdict_open(state, held, failure)
    row = state.failed_in_a_row if okay else extend_row(state, held, failure)
    state = replace(state, n_failed=state.n_failed + 1, errors=errors, failed_in_a_row=row, traceback=failure.traceback)
    instructions: list[Instruction] = [ChirpCounters(state.n_failed, state.n_success, failure, held)]
    if verdict_is_open and state.stage is Stage.LISTENING:
        state = replace(state, open={**state.open, held.key: OpenVerdict(held, failure)})
    elif verdict_is_open:
        instructions.append(settle_event(held, Settlement.RETURN, failure))
    elif is_last or (policy.reports_outcomes and gives_up(failure, held.attempt)):
        item = UnsettledEvent(held, failure, is_outcome=True)
        state = replace(state, settling={**state.settling, held.key: item})
        instructions.append(PublishOutcome(held.key, failure, held.attempt))
    elif policy.at_most_once:
        instructions.append(settle_event(held, Settlement.RETURN, failure))
        state = note_charged(state, held)
    elif held.live and gives_up(failure, held.attempt):
        state = replace(state, settling={**state.settling, held.key: UnsettledEvent(held, failure)})
        instructions.append(PublishDeadLetter(held.key, failure, held.attempt))
    else:
        instructions.append(settle_event(held, Settlement.REJECT, failure))
        state = note_charged(state, held)
    if is_answer and failure.exit_code is not None:
        # The task ran here, so this worker can run containers.
        state, charged = charge_events(replace(state, failed_in_a_row=()))
        instructions += charged
    if state.stage is Stage.LISTENING and not okay:
        more: list[Instruction] = []
        if policy.judges_worker and is_worker_bad(state):
            state, more = condemn_worker(state)
        elif policy.stop_on_error or is_worker_bad(state):
            state, more = begin_draining(state)
        instructions += more
    return state, instructions


def record_confirmation(state: PilotState, stimulus: PublishConfirmed) -> Step:
    if stimulus.key not in state.settling:
        return state, []
    item = state.settling[stimulus.key]
    state = _without_settling(state, stimulus.key, stimulus.now_s)
    if item.failure is None:
        return _record_success(state, item.held)
    return state, [settle_event(item.held, Settlement.ACK)]


def record_refusal(state: PilotState, stimulus: PublishRefused) -> Step:
    key = stimulus.key
    if key not in state.settling:
        return state, []
    item = state.settling[key]
    if stimulus.passing:
        after_s = _OFFER_AGAIN_S[min(item.n_refused, len(_OFFER_AGAIN_S) - 1)]
        again = replace(item, n_refused=item.n_refused + 1)
        state = replace(state, settling={**state.settling, key: again})
        if item.failure is not None:
            publish = PublishOutcome if item.is_outcome else PublishDeadLetter
            return state, [publish(key, item.failure, item.held.attempt, after_s)]
        return state, [PublishOutput(key, after_s)]
    state = _without_settling(state, key, stimulus.now_s)
    if item.failure is not None:
        return state, [settle_event(item.held, Settlement.DISCARD)]
    return _record_failure(state, item.held, stimulus.failure)


def _without_settling(state: PilotState, key: int, now_s: float) -> PilotState:
    return replace(state, settling={k: v for k, v in state.settling.items() if k != key}, quiet_since_s=now_s)
