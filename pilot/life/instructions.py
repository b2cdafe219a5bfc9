"""The instructions that the lifecycle gives to the pilot's shell. The shell carries them out in order. (core)"""

from dataclasses import dataclass, field
from enum import StrEnum

from pilot.failures.failure import Failure
from pilot.life.stimuli import HeldEvent
from schemas.fleet.statuses import PilotStatus


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
    """End the subscriptions. The pilot keeps the events that it has in hand."""


@dataclass(frozen=True, slots=True)
class Start:
    """Run the task on the event with the key `key`."""

    key: int


@dataclass(frozen=True, slots=True)
class PublishOutput:
    """Publish the output of a run after `after_s` seconds. Answer `PublishConfirmed` or `PublishRefused`."""

    key: int
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PublishDeadLetter:
    """Publish the event to the workflow's dead letters after `after_s` seconds.

    Answer `PublishConfirmed` or `PublishRefused`.
    """

    key: int
    failure: Failure
    attempt: int
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """Publish the outcome of an event that failed by `failure`, after `after_s` seconds.

    `attempt` is the number of the attempt if the task did not run. Answer `PublishConfirmed` or `PublishRefused`.
    `PublishOutput` publishes the outcome of an event that succeeded.
    """

    key: int
    failure: Failure
    attempt: int
    after_s: float = 0.0


class Settlement(StrEnum):
    """What to tell the broker about a delivery."""

    ACK = "ack"
    #: The attempt failed and counts. The broker delivers the event again after a pause.
    REJECT = "reject"
    #: The event failed for good, but the broker refused our dead letter. So the broker makes a dead letter itself,
    #: without our reasons.
    DISCARD = "discard"
    #: The event was not tried, or its failure does not count. The broker delivers the event again at once.
    RETURN = "return"
    #: The delivery was lost with its subscription. Tell the broker nothing.
    FORGET = "forget"

    @property
    def counts(self) -> bool:
        """Whether the broker counts an attempt that ends so. A lost delivery counts as one."""
        return self is not Settlement.RETURN


@dataclass(frozen=True, slots=True)
class Settle:
    """Tell the broker how the delivery ended, and drop the event.

    With a `failure`, the pilot also reports a failed attempt. Comparisons ignore `failure`.
    """

    key: int
    how: Settlement
    failure: Failure | None = field(default=None, compare=False)


def settle_event(held: HeldEvent, how: Settlement, failure: Failure | None = None) -> Settle:
    """Return the instruction to settle `held` as `how`. If the delivery is lost, the pilot only drops the event."""
    return Settle(held.key, how if held.live else Settlement.FORGET, failure)


@dataclass(frozen=True, slots=True)
class TakeOverDelivery:
    """The run of the event `key` lost its delivery. Let it settle `other`, a new delivery of the same event."""

    key: int
    other: int


@dataclass(frozen=True, slots=True)
class KillAll:
    """Kill all containers that run."""


@dataclass(frozen=True, slots=True)
class ChirpStatus:
    """Chirp a status and its error. If the worker `is_bad`, also chirp the name of its machine."""

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
    """End the process with the exit status `status`."""

    status: int


Instruction = (
    RunInit | WarmUp | CoolDown | Listen | StopListening | Start | PublishOutput | PublishDeadLetter | PublishOutcome
    | Settle | TakeOverDelivery | KillAll | ChirpStatus | ChirpCounters | LeaveProcess
)  # fmt: skip
