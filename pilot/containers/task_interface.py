"""The interface of both ways to run a task: a container per event, or warm containers. (core)"""

from dataclasses import dataclass
from typing import Protocol

from pilot.errors import Failure
from schemas.payloads.data_events import DataEvent


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: well, with `failure`, or `interrupted` because the pilot killed it. `output` may be None."""

    output: bytes | None = None
    output_type: str = ""
    failure: Failure | None = None
    interrupted: bool = False
    #: The last lines that a failed task wrote.
    last_lines: str = ""


class Tasks(Protocol):
    """A way to run the task on events. Each start leads to one outcome, maybe before `start_run` has returned."""

    def start_run(self, key: int, event: DataEvent | None, attempt: int) -> None:
        """Run the task on an event, for the `attempt`-th time (from 1). A source's only run has no event."""

    def kill_all(self) -> None:
        """End all runs at once. Their outcomes are `interrupted`."""
