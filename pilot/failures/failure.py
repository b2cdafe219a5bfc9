"""The failure of one run of a task, with the names that users know. (core)

The contract fixes the names of the failures: users list them in `EWMS_PILOT_OKAY_ERRORS`.
"""

from dataclasses import dataclass

from pilot.failures.error_text import without_names
from schemas.payloads.data_events import DeadReason


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one run of a task failed.

    `EWMS_PILOT_OKAY_ERRORS` may list a failure by the names `type` or `aka`. `reason` goes into a dead letter. A
    `final` failure would repeat at every attempt, so the event becomes a dead letter at once.
    """

    type: str
    text: str
    reason: DeadReason = DeadReason.TASK_FAILED
    final: bool = False
    aka: str = ""
    traceback: str = ""
    #: 128 + n if signal n ended the task; None if the task did not exit.
    exit_code: int | None = None
    #: Whether the container runtime failed, and not the task in the container.
    by_runtime: bool = False
    #: Whether the task has surely not run. The end of a runtime's command alone does not prove that.
    never_ran: bool = False

    def __str__(self) -> str:
        return f"{self.type}({self.text!r})"

    @property
    def signature(self) -> str:
        """The key under which to count this failure. Equal failures of different events have the same key."""
        return without_names(str(self))
