"""The interface of the two ways to run a task: a container for each event, or warm containers. (core)"""

from dataclasses import dataclass
from typing import Protocol

from pilot.failures.failure import Failure
from pilot.life.event_outcomes import PublishedLogs
from schemas.payloads.data_events import DataEvent


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: well, with a `failure`, or `interrupted` because the pilot killed it. `output` may be None.

    If the pilot reports outcomes, a failed task may have an output, too.
    """

    output: bytes | None = None
    output_type: str = ""
    failure: Failure | None = None
    interrupted: bool = False
    #: The last lines that a failed task wrote.
    last_lines: str = ""
    #: The run's random name, and the logs that it publishes; None if it publishes none.
    name: str = ""
    logs: PublishedLogs | None = None


class Tasks(Protocol):
    """A way to run the task on events. Each started run has one outcome, maybe before `start_run` returns."""

    def start_run(self, key: int, event: DataEvent | None, attempt: int) -> None:
        """Start the `attempt`-th try (from 1) of the task on `event`. A source runs once, with None as its `event`."""

    def kill_all(self) -> None:
        """Kill all runs at once. Their outcomes are `interrupted`."""
