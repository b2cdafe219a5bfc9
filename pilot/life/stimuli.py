"""The stimuli of a pilot's lifecycle: all that can happen to a pilot. (core)

Times are seconds of a monotonic clock.
"""

from dataclasses import dataclass

from pilot.failures.failure import Failure
from schemas.ids import EventId


@dataclass(frozen=True)  # without slots, for `replace`
class HeldEvent:
    """An event in the pilot's hands. `key` is the pilot's own number for the event.

    While `live`, the pilot can settle the delivery. A source's only run has no delivery.
    """

    key: int
    event_id: EventId
    attempt: int
    queue: str
    live: bool = True
    #: How many times pilots have returned the event to its queue without counting an attempt.
    n_returned: int = 0


@dataclass(frozen=True, slots=True)
class InitEnded:
    """The init container has ended: well, or with a `failure`."""

    now_s: float
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class CooledDown:
    """The last warm container has ended."""

    now_s: float


@dataclass(frozen=True, slots=True)
class EventArrived:
    """The broker delivered an event."""

    now_s: float
    held: HeldEvent


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run has ended: well, with a `failure`, or `interrupted` because the pilot killed it."""

    now_s: float
    key: int
    took_s: float = 0.0
    has_output: bool = False
    failure: Failure | None = None
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class PublishConfirmed:
    """The broker has confirmed the output on all output queues, or the dead letter."""

    now_s: float
    key: int


@dataclass(frozen=True, slots=True)
class PublishRefused:
    """The broker refused to take an output or the dead letter of the event.

    If `passing`, the refusal is temporary, and the pilot tries again.
    """

    now_s: float
    key: int
    failure: Failure
    passing: bool


@dataclass(frozen=True, slots=True)
class SubscriptionLost:
    """The subscription to `queue` has ended, and all deliveries from that queue are lost."""

    now_s: float
    queue: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. `listening`: all subscriptions are active. If not, `why` is the broker's last error."""

    now_s: float
    listening: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The pilot shall stop (SIGTERM)."""

    now_s: float


@dataclass(frozen=True, slots=True)
class PilotBroken:
    """The pilot cannot go on: it has no broker, may not use a queue, or its queue does not exist (`gone`)."""

    now_s: float
    error: str
    gone: bool = False


Stimulus = (
    InitEnded
    | CooledDown
    | EventArrived
    | RunEnded
    | PublishConfirmed
    | PublishRefused
    | SubscriptionLost
    | Tick
    | StopAsked
    | PilotBroken
)
