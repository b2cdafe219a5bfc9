"""Define a step, the result of every decision: the new state and the instructions. Build two common ones. (core)"""

from dataclasses import replace

from pilot.errors import Failure
from pilot.life.instructions import ChirpStatus, Instruction, Settle, Settlement
from pilot.life.state import PilotState
from pilot.life.stimuli import HeldEvent
from schemas.statuses import PilotStatus

Step = tuple[PilotState, list[Instruction]]


def settle_event(held: HeldEvent, how: Settlement, failure: Failure | None = None) -> Settle:
    return Settle(held.key, how if held.live else Settlement.FORGET, failure)


def report_status(state: PilotState, status: PilotStatus, instructions: list[Instruction]) -> Step:
    """Add a report of `status`, unless it was the last one reported."""
    if state.reported is status:
        return state, instructions
    return replace(state, reported=status), [*instructions, ChirpStatus(status)]
