"""What every decision gives back: the state after it, and what to do; with two that most of them make. (core)"""

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
    """Add a report, unless it was the last one already."""
    if state.reported is status:
        return state, instructions
    return replace(state, reported=status), [*instructions, Report(status)]
