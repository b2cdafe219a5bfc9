"""Take events into the pilot's hands, and from there into its slots. (core)"""

from dataclasses import replace

from pilot.errors import Failure
from pilot.life.instructions import (
    ChirpCounters,
    Instruction,
    Listen,
    PublishDeadLetter,
    Settlement,
    Start,
    StopListening,
    TakeOverDelivery,
)
from pilot.life.leaving import finish_if_empty
from pilot.life.lookahead import choose_prefetch
from pilot.life.retiring import begin_retiring, must_retire
from pilot.life.state import PilotState, Stage, UnsettledEvent
from pilot.life.stepping_aside import must_step_aside, step_aside
from pilot.life.steps import Step, report_status, settle_event
from pilot.life.stimuli import EventArrived, HeldEvent
from pilot.life.suspects import choose_next, explain_kills, is_suspect
from schemas.statuses import PilotStatus


def take_event(state: PilotState, stimulus: EventArrived) -> Step:
    held = stimulus.held
    if state.stage is not Stage.LISTENING or not state.listening:
        return state, [settle_event(held, Settlement.RETURN)]
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
    if (failure := explain_kills(held)) is not None:
        return give_up(replace(state, quiet_since_s=stimulus.now_s), held, failure)
    state = replace(state, waiting=(*state.waiting, held))
    if is_suspect(held) and state.prefetch > 1:
        # Take no other event until the suspect has run.
        return fill_slots(replace(state, listening=False), stimulus.now_s, [StopListening()])
    return fill_slots(state, stimulus.now_s, [])


def give_up(state: PilotState, held: HeldEvent, failure: Failure) -> Step:
    """Send an event to the dead letters without another run."""
    text = failure.signature
    errors = state.errors if text in state.errors else (*state.errors, text)
    settling = {**state.settling, held.key: UnsettledEvent(held, failure)}
    state = replace(state, n_failed=state.n_failed + 1, errors=errors, settling=settling)
    return state, [
        ChirpCounters(state.n_failed, state.n_success, failure, held),
        PublishDeadLetter(held.key, failure, held.attempt),
    ]


def fill_slots(state: PilotState, now_s: float, instructions: list[Instruction]) -> Step:
    """Fill the free slots with waiting events."""
    if must_retire(state, now_s):
        return begin_retiring(state, now_s, instructions)
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
    """Go on after an event has left a slot or the pilot: end, retire, step aside, or take more events."""
    if state.stage is Stage.DRAINING:
        return finish_if_empty(state, now_s, instructions)
    if state.stage is not Stage.LISTENING:
        return state, instructions
    if must_retire(state, now_s):
        return begin_retiring(state, now_s, instructions)
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
    return fill_slots(state, now_s, instructions)
