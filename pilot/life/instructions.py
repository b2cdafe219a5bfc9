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
    """Let the warm containers end by themselves. Answer `CooledDown` after the last one has ended."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Subscribe anew to each input queue. Each subscription delivers at most `prefetch` unsettled events."""

    prefetch: int


@dataclass(frozen=True, slots=True)
class StopListening:
    """End the subscriptions. The pilot keeps the events in hand."""


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
    """The ways to settle a delivery."""

    ACK = "ack"
    #: The attempt failed and counts: the event comes again after a while.
    REJECT = "reject"
    #: The event failed for good, and the broker refused our dead letter: the broker makes its own, without our reasons.
    DISCARD = "discard"
    #: The event was not tried, or its failure does not count: it comes again at once, and no attempt counts.
    RETURN = "return"
    #: The delivery is lost with its subscription: send nothing to the broker.
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Settle:
    """Settle the delivery at the broker, and drop the event.

    With a `failure`, the pilot also reports a failed attempt. The failure does not count in comparisons.
    """

    key: int
    how: Settlement
    failure: Failure | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TakeOverDelivery:
    """Let the run of `key` settle the new delivery `other` of the same event, because its own delivery was lost."""

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
    """Chirp the counters. If a run failed, also chirp its error, and log it with the name of the event `held`."""

    n_failed: int
    n_success: int
    failure: Failure | None = None
    held: HeldEvent | None = None


@dataclass(frozen=True, slots=True)
class LeaveProcess:
    """End the process with this exit status."""

    status: int


Instruction = (
    RunInit | WarmUp | CoolDown | Listen | StopListening | Start | PublishOutput | PublishDeadLetter | Settle
    | TakeOverDelivery | KillAll | ChirpStatus | ChirpCounters | LeaveProcess
)  # fmt: skip
