"""How events come into a pilot's hands and into its slots. (core)"""

from dataclasses import replace

from pilot.instructions import Adopt, How, Instruction, Listen, Settle, Start
from pilot.leaving import finished
from pilot.lookahead import prefetch
from pilot.retiring import has_to_retire, retired
from pilot.state import Stage, State
from pilot.steps import Step, reported
from pilot.stimuli import Arrived
from schemas.statuses import PilotStatus


def arrived(state: State, stimulus: Arrived) -> Step:
    held = stimulus.held
    if state.stage is not Stage.LISTENING or not state.listening:
        return state, [Settle(held.key, How.RETURN)]
    state = replace(state, seen_any=True)
    if held.event_id:
        for key, run in state.running.items():
            if not run.live and run.event_id == held.event_id:
                adopted = replace(held, key=key)
                return replace(state, running={**state.running, key: adopted}), [Adopt(key, held.key)]
        for key, item in state.settling.items():
            if not item.held.live and item.held.event_id == held.event_id:
                item = replace(item, held=replace(held, key=key))
                return replace(state, settling={**state.settling, key: item}), [Adopt(key, held.key)]
    return filled(replace(state, waiting=(*state.waiting, held)), stimulus.now_s, [])


def filled(state: State, now_s: float, instructions: list[Instruction]) -> Step:
    """Fill the free slots from what waits."""
    if has_to_retire(state, now_s):
        return retired(state, now_s, instructions)
    n = min(state.policy.concurrency - len(state.running), len(state.waiting))
    if n <= 0:
        return state, instructions
    running = {**state.running, **{held.key: held for held in state.waiting[:n]}}
    full = now_s if len(running) == state.policy.concurrency else None
    instructions += [Start(held.key) for held in state.waiting[:n]]
    state = replace(state, running=running, waiting=state.waiting[n:], full_since_s=full)
    return reported(state, PilotStatus.TASKING, instructions)


def onward(state: State, now_s: float, instructions: list[Instruction]) -> Step:
    """Go on after an event left a slot or the pilot."""
    if state.stage is Stage.DRAINING:
        return finished(state, now_s, instructions)
    if state.stage is not Stage.LISTENING:
        return state, instructions
    if has_to_retire(state, now_s):
        return retired(state, now_s, instructions)
    n = prefetch(state.pace, state.policy.concurrency, state.policy.prefetch)
    if (not state.listening or n != state.prefetch) and len(state.running) < state.policy.concurrency:
        state = replace(state, listening=True, prefetch=n)
        instructions.append(Listen(n))
    return filled(state, now_s, instructions)
