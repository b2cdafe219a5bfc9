"""Take events from the broker into the pilot's hands, and start them when a slot is free. (core)"""

from pilot.failures.failure import Failure
from pilot.failures.lifetime_failures import event_in_doubt
from pilot.life.instructions import (
    ChirpCounters,
    Instruction,
    Listen,
    PublishDeadLetter,
    PublishOutcome,
    Settle,
    Settlement,
    Start,
    StopListening,
    TakeOverDelivery,
)
from pilot.life.leaving import begin_draining, finish_if_empty
from pilot.life.lookahead import choose_prefetch
from pilot.life.records import replace
from pilot.life.retiring import must_retire
from pilot.life.state import PilotState, Stage, Step, UnsettledEvent, report_status
from pilot.life.stepping_aside import must_pass_on, must_step_aside, pass_on, step_aside
from pilot.life.stimuli import EventArrived, HeldEvent
from pilot.life.suspects import choose_next, explain_kills, is_suspect
from schemas.fleet.statuses import PilotStatus


def take_event(state: PilotState, stimulus: EventArrived) -> Step:
    held = stimulus.held
    if state.stage is not Stage.LISTENING or not state.listening:
        return state, [Settle(held.key, Settlement.RETURN)]
    state = replace(state, seen_any=True)
    if held.event_id:
        for key, run in state.running.items():
            if not run.live and run.event_id == held.event_id:
                adopted = replace(held, key=key)
                return replace(state, running={**state.running, key: adopted}), [TakeOverDelivery(key, held.key)]
        for key, item in state.settling.items():
            if not item.held.live and item.held.event_id == held.event_id:
                item = replace(item, held=replace(held, key=key))
                return replace(state, settling={**state.settling, key: item}), [TakeOverDelivery(key, held.key)]
    failure = event_in_doubt() if state.policy.at_most_once and held.attempt > 1 else explain_kills(held)
    if failure is not None:
        return _give_up(replace(state, quiet_since_s=stimulus.now_s), held, failure)
    if must_pass_on(state, held, stimulus.now_s):
        return pass_on(state, held, stimulus.now_s)
    state = replace(state, waiting=(*state.waiting, held))
    if is_suspect(held) and state.prefetch > 1:
        # Take no other event until the suspect has run.
        return replace(state, listening=False), [StopListening()]
    return state, []


def _give_up(state: PilotState, held: HeldEvent, failure: Failure) -> Step:
    """Make a dead letter of the event without another run. If the pilot reports outcomes, publish its outcome."""
    text = failure.signature
    errors = state.errors if text in state.errors else (*state.errors, text)
    reports = state.policy.reports_outcomes
    settling = {**state.settling, held.key: UnsettledEvent(held, failure, is_outcome=reports)}
    state = replace(state, n_failed=state.n_failed + 1, errors=errors, settling=settling)
    publish = PublishOutcome if reports else PublishDeadLetter
    return state, [
        ChirpCounters(state.n_failed, state.n_success, failure, held),
        publish(held.key, failure, held.attempt),
    ]


def _fill_slots(state: PilotState, now_s: float, instructions: list[Instruction]) -> Step:
    """Start waiting events in the free slots."""
    chosen = choose_next(state.waiting, state.running.values(), state.policy.concurrency - len(state.running))
    if not chosen:
        return state, instructions
    running = {**state.running, **{held.key: held for held in chosen}}
    full = now_s if len(running) == state.policy.concurrency or any(map(is_suspect, chosen)) else None
    instructions += [Start(held.key) for held in chosen]
    waiting = tuple(held for held in state.waiting if held.key not in running)
    state = replace(state, running=running, waiting=waiting, full_since_s=full)
    return report_status(state, PilotStatus.TASKING, instructions)


def continue_work(state: PilotState, now_s: float, instructions: list[Instruction]) -> Step:
    """Go on after any stimulus: end, retire, step aside, take more events, or do nothing."""
    if state.stage is Stage.LISTENING and must_retire(state, now_s):
        state, more = begin_draining(state)
        instructions = [*instructions, *more]
    if state.stage is Stage.DRAINING:
        return finish_if_empty(state, now_s, instructions)
    if state.stage is not Stage.LISTENING:
        return state, instructions
    if state.aside_until_s is not None:
        return state, instructions
    if must_step_aside(state):
        return step_aside(state, now_s, instructions)
    n = choose_prefetch(state.pace, state.policy.concurrency, state.policy.prefetch)
    # Events with an open verdict stay unsettled and use up the prefetch. A new subscription counts only its own
    # deliveries.
    is_wanted = not state.listening or (n, len(state.open)) != (state.prefetch, state.n_set_aside)
    in_hand = (*state.waiting, *state.running.values())
    if is_wanted and len(state.running) < state.policy.concurrency and not any(map(is_suspect, in_hand)):
        state = replace(state, listening=True, prefetch=n, n_set_aside=len(state.open))
        instructions.append(Listen(n))
    return _fill_slots(state, now_s, instructions)
