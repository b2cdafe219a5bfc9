"""An entry of the tables of causes: how serious a cause is, its text, and what helps."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How serious a cause is. The first is the most serious."""

    #: Nothing moves while this lasts. The remedy says what ends it, and who must act.
    BLOCKED = "blocked"
    #: Events or workers fail.
    FAILING = "failing"
    #: Work goes on, but slower than it could, or less than a user expects.
    SLOWED = "slowed"
    #: It passes by itself.
    PASSING = "passing"
    #: Nothing is wrong. It says how the workflow stands.
    NOTE = "note"

    @property
    def rank(self) -> int:
        """Return how serious this is; 0 is the most serious."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class CauseEntry:
    """A cause: its text, a sentence on what helps, and the command to type next.

    `text` and `command` have places for values, such as `{schedd}`. An empty `command` means that the place where the
    cause is found chooses one.
    """

    severity: Severity
    text: str
    remedy: str
    command: str = ""


BLOCKED, FAILING, SLOWED = Severity.BLOCKED, Severity.FAILING, Severity.SLOWED
PASSING, NOTE = Severity.PASSING, Severity.NOTE
