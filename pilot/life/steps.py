"""A step is what every decision returns: the new state and the instructions. Two steps that most share. (core)"""

from dataclasses import replace

from pilot.errors import Failure
from pilot.life.instructions import How, Instruction, Report, Settle
from pilot.life.state import State
from pilot.life.stimuli import Held
from schemas.statuses import PilotStatus

Step = tuple[State, list[Instruction]]


def settled(held: Held, how: How, failure: Failure | None = None) -> Settle:
    return Settle(held.key, how if held.live else How.FORGET, failure)


def reported(state: State, status: PilotStatus, instructions: list[Instruction]) -> Step:
    """Add a report of `status`, unless it was the last one reported."""
    if state.reported is status:
        return state, instructions
    return replace(state, reported=status), [*instructions, Report(status)]
