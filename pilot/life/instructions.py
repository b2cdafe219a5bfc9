"""What a pilot can be told to do: the instructions that its lifecycle gives, to be carried out in order. (core)"""

from dataclasses import dataclass, field
from enum import StrEnum

from pilot.errors import Failure
from pilot.life.stimuli import Held
from schemas.statuses import PilotStatus


@dataclass(frozen=True, slots=True)
class RunInit:
    """Run the init container."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Start the containers that are kept alive."""


@dataclass(frozen=True, slots=True)
class CoolDown:
    """Let the containers that were kept alive end by themselves, and say `Cooled`."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Take events from the input queues, at most `prefetch` at once from each."""

    prefetch: int


@dataclass(frozen=True, slots=True)
class StopListening:
    """Take no more events; keep those in hand."""


@dataclass(frozen=True, slots=True)
class Start:
    """Run the task on the event."""

    key: int


@dataclass(frozen=True, slots=True)
class PublishOutput:
    """Publish the run's outputs, after a pause, and say `Confirmed` or `Refused`."""

    key: int
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PublishDeadLetter:
    """Publish the event to the workflow's dead letters, and say `Confirmed` or `Refused`."""

    key: int
    failure: Failure
    attempt: int
    after_s: float = 0.0


class How(StrEnum):
    """What becomes of a delivery."""

    ACK = "ack"
    #: Failed: it comes again after a while, and the attempt counts.
    REJECT = "reject"
    #: Failed for good, and our own dead letter found no way: the broker makes one, without our reasons.
    DISCARD = "discard"
    #: Not tried: it comes again at once, and nothing is counted.
    RETURN = "return"
    #: Its delivery is lost: there is nothing to tell the broker.
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Settle:
    """Tell the broker what becomes of the delivery, and drop the event.

    With a `failure` this was a failed attempt, to be reported; two that differ in it alone settle alike.
    """

    key: int
    how: How
    failure: Failure | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Adopt:
    """The run of `key`, whose delivery was lost, answers the new delivery `other` of the same event."""

    key: int
    other: int


@dataclass(frozen=True, slots=True)
class KillAll:
    """Kill everything that runs."""


@dataclass(frozen=True, slots=True)
class Report:
    """Chirp a status, with the error that goes with it; and, if that speaks against the worker, its machine."""

    status: PilotStatus
    error: str = ""
    traceback: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """Chirp the counters; and, if a run failed, its error, which the log tells with the event's name.

    `held` is the event, from which the run had its input.
    """

    n_failed: int
    n_success: int
    failure: Failure | None = None
    held: Held | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """Leave, with the process's exit status."""

    status: int


Instruction = (
    RunInit | WarmUp | CoolDown | Listen | StopListening | Start | PublishOutput | PublishDeadLetter | Settle | Adopt
    | KillAll | Report | Count | Exit
)  # fmt: skip
