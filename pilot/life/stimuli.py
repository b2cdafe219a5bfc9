"""What can happen to a pilot: the stimuli of its lifecycle. (core)

Times are seconds of a monotonic clock.
"""

from dataclasses import dataclass

from pilot.errors import Failure
from schemas.ids import EventId


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """An event in the pilot's hands. `key` is the pilot's own number for it.

    `live`: its delivery can still be settled. A source's only run has no delivery.
    """

    key: int
    event_id: EventId
    attempt: int
    queue: str
    live: bool = True
    #: How often pilots gave the event back uncounted.
    n_returned: int = 0


@dataclass(frozen=True, slots=True)
class InitEnded:
    """The init container has ended, well or with `failure`."""

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
    """A run has ended: well (`has_output` or not), with `failure`, or `interrupted` because the pilot killed it."""

    now_s: float
    key: int
    took_s: float = 0.0
    has_output: bool = False
    failure: Failure | None = None
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class PublishConfirmed:
    """The broker holds everything that was published for the event."""

    now_s: float
    key: int


@dataclass(frozen=True, slots=True)
class PublishRefused:
    """The broker refused what was published for the event. `passing`: it may take it a little later."""

    now_s: float
    key: int
    failure: Failure
    passing: bool


@dataclass(frozen=True, slots=True)
class SubscriptionLost:
    """The subscription to `queue` is gone, and every delivery from it is lost."""

    now_s: float
    queue: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. `listening`: all subscriptions stand. Otherwise `why` is the broker's last error."""

    now_s: float
    listening: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The pilot was asked to stop (SIGTERM)."""

    now_s: float


@dataclass(frozen=True, slots=True)
class PilotBroken:
    """The pilot cannot go on: it has no broker, no right to a queue, or its queue does not exist (`gone`)."""

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
