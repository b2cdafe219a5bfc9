"""The instructions that the lifecycle gives to the pilot's shell, which carries them out in order. (core)"""

from dataclasses import dataclass, field
from enum import StrEnum

from pilot.errors import Failure
from pilot.life.stimuli import HeldEvent
from schemas.statuses import PilotStatus


@dataclass(frozen=True, slots=True)
class RunInit:
    """Run the init container."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Start the warm containers."""


@dataclass(frozen=True, slots=True)
class CoolDown:
    """Let the warm containers end by themselves, and answer `CooledDown` after the last."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Take events from the input queues, each by a new subscription that lends at most `prefetch` at once."""

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
    """Publish the run's outputs after `after_s` seconds, and answer `PublishConfirmed` or `PublishRefused`."""

    key: int
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PublishDeadLetter:
    """Publish the event to the workflow's dead letters after `after_s` seconds.

    The answer is `PublishConfirmed` or `PublishRefused`.
    """

    key: int
    failure: Failure
    attempt: int
    after_s: float = 0.0


class Settlement(StrEnum):
    """What becomes of a delivery."""

    ACK = "ack"
    #: Failed: the event comes again after a while, and the attempt counts.
    REJECT = "reject"
    #: Failed for good, and the broker refused our dead letter: the broker makes its own, without our reasons.
    DISCARD = "discard"
    #: Not tried, or not charged: the event comes again at once, and no attempt counts.
    RETURN = "return"
    #: The delivery is lost: there is nothing to tell the broker.
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Settle:
    """Tell the broker what becomes of the delivery, and drop the event.

    A `failure` means that the attempt failed and is reported. It makes no difference to equality.
    """

    key: int
    how: Settlement
    failure: Failure | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TakeOverDelivery:
    """Let the run of `key` answer the new delivery `other` of the same event: its own delivery was lost."""

    key: int
    other: int


@dataclass(frozen=True, slots=True)
class KillAll:
    """Kill everything that runs."""


@dataclass(frozen=True, slots=True)
class ChirpStatus:
    """Chirp a status and its error. If the worker `is_bad`, chirp its machine too."""

    status: PilotStatus
    error: str = ""
    traceback: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class ChirpCounters:
    """Chirp the counters. If a run failed, chirp its error too, and log it with the name of the event `held`."""

    n_failed: int
    n_success: int
    failure: Failure | None = None
    held: HeldEvent | None = None


@dataclass(frozen=True, slots=True)
class LeaveProcess:
    """Leave, with the process's exit status."""

    status: int


Instruction = (
    RunInit | WarmUp | CoolDown | Listen | StopListening | Start | PublishOutput | PublishDeadLetter | Settle
    | TakeOverDelivery | KillAll | ChirpStatus | ChirpCounters | LeaveProcess
)  # fmt: skip
