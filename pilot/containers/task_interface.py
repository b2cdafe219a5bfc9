"""What the pilot asks of the ways to run its task, and what they answer. (core)"""

from dataclasses import dataclass
from typing import Protocol

from pilot.errors import Failure
from schemas.payloads.data_events import DataEvent


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: well (an `output` of `None` is none), with `failure`, or killed for the pilot's own sake."""

    output: bytes | None = None
    output_type: str = ""
    failure: Failure | None = None
    interrupted: bool = False
    #: The last lines of what a failed task wrote.
    last_lines: str = ""


class Tasks(Protocol):
    """A way to run the task on events. Each start is answered by one outcome, maybe before it has returned."""

    def start(self, key: int, event: DataEvent | None, attempt: int) -> None:
        """Run the task on an event, for the `attempt`-th time (from 1); a source's only run has none."""

    def kill_all(self) -> None:
        """End what runs, at once; its outcomes are interrupted."""
