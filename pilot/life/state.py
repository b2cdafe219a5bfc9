"""What a pilot's decisions read: the policy, which is fixed, and the state, which each decision replaces. (core)

Times are seconds of a monotonic clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pilot.errors import Failure
from pilot.life.lookahead import Pace
from pilot.life.stimuli import HeldEvent
from pilot.settings import PilotSettings
from schemas.ids import EventId
from schemas.pilot.exits import PilotExit
from schemas.pilot.names import TaskMode
from schemas.statuses import PilotStatus


class Stage(StrEnum):
    """Where a pilot stands."""

    INIT = "init"
    LISTENING = "listening"
    DRAINING = "draining"
    QUARANTINED = "quarantined"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decisions depend on.

    `source`: there is no input queue, and the task runs once. `warm`: containers stay alive from one event to the next.
    """

    concurrency: int
    first_timeout_s: float
    idle_timeout_s: float
    drain_grace_s: float
    reconnect_timeout_s: float
    quarantine_s: float = 0.0
    stop_on_error: bool = True
    okay_errors: frozenset[str] = frozenset()
    max_failures_in_a_row: int = 0
    prefetch: int | None = None
    has_init: bool = False
    source: bool = False
    warm: bool = False
    #: Whether the task fails on every worker. Failures before the pilot's first success are then the events' fault too.
    charges_events: bool = False
    #: How long the worker lives, and when the pilot must be done with its tasks; None: no limit.
    runtime_s: float = 0.0
    ends_s: float | None = None

    @property
    def judges_worker(self) -> bool:
        """Whether the pilot tells a bad event from a bad worker. Otherwise it leaves at the first error, or never."""
        return not self.stop_on_error and self.max_failures_in_a_row > 0


def derive_policy(settings: PilotSettings, *, ends_s: float | None = None, charges_events: bool = False) -> Policy:
    """Return the policy that the settings give to a pilot that must be done with its tasks at `ends_s`."""
    return Policy(
        concurrency=settings.concurrency,
        first_timeout_s=settings.first_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        drain_grace_s=settings.drain_grace_s,
        reconnect_timeout_s=settings.reconnect_timeout_s,
        quarantine_s=settings.quarantine_s,
        stop_on_error=settings.stop_on_error,
        okay_errors=settings.okay_errors,
        max_failures_in_a_row=settings.max_failures_in_a_row,
        prefetch=settings.prefetch,
        has_init=settings.init is not None,
        source=not settings.inputs,
        warm=settings.task_mode is TaskMode.STREAM,
        charges_events=charges_events,
        runtime_s=settings.worker_runtime_s or 0.0,
        ends_s=ends_s,
    )


@dataclass(frozen=True, slots=True)
class UnsettledEvent:
    """An event whose output is on the way to the broker, or its dead letter if `failure` is set."""

    held: HeldEvent
    failure: Failure | None = None
    n_refused: int = 0


@dataclass(frozen=True, slots=True)
class OpenVerdict:
    """A failed event that the pilot keeps: either the event or the worker is at fault."""

    held: HeldEvent
    failure: Failure


@dataclass(frozen=True, slots=True)
class PilotState:
    """Everything that a decision needs beside the stimulus. `begin` builds the first."""

    policy: Policy
    stage: Stage
    #: Since when no event was in hand, although nothing kept events away.
    quiet_since_s: float
    init_runs: bool = False
    #: Whether containers are warm, and whether they are ending because no more events come.
    warm: bool = False
    cooling: bool = False
    waiting: tuple[HeldEvent, ...] = ()
    running: Mapping[int, HeldEvent] = field(default_factory=dict)
    settling: Mapping[int, UnsettledEvent] = field(default_factory=dict)
    #: Failed events whose verdict is open: the event or this worker may be at fault.
    open: Mapping[int, OpenVerdict] = field(default_factory=dict)
    #: Whether the pilot wants its subscriptions, and how many events each may deliver ahead.
    listening: bool = False
    prefetch: int = 0
    #: How many verdicts were open when the present subscriptions began: those events do not use up their prefetch.
    n_set_aside: int = 0
    pace: Pace = field(default_factory=Pace)
    #: Since when all slots are busy. Since when a subscription is missing, and the broker's last error.
    full_since_s: float | None = None
    away_since_s: float | None = None
    away_why: str = ""
    ticked_s: float = 0.0
    seen_any: bool = False
    n_failed: int = 0
    n_success: int = 0
    failed_in_a_row: tuple[EventId, ...] = ()
    #: The highest attempt that was charged before the first success, and until when this pilot leaves events to others.
    charged: int = 0
    aside_until_s: float | None = None
    errors: tuple[str, ...] = ()
    traceback: str = ""
    #: Why the pilot itself cannot go on, and whether its worker is bad.
    fatal: str = ""
    is_bad: bool = False
    #: Whether a queue is gone, so that no pilot is needed any more.
    is_closed: bool = False
    asked_to_stop: bool = False
    #: When the grace of a stop, or the quarantine, ends.
    until_s: float | None = None
    killed: bool = False
    #: When the pilot was ready for its first event or a source's only run. Whether its working time is over.
    ready_s: float = 0.0
    time_up: bool = False
    reported: PilotStatus = PilotStatus.STARTED

    @property
    def blames_events(self) -> bool:
        """Whether this pilot knows before its own first success that failures are the events' fault."""
        return self.policy.charges_events and self.policy.judges_worker and not self.n_success

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in hand."""
        return not (self.running or self.settling or self.waiting or self.open or self.init_runs)

    @property
    def exit_status(self) -> PilotExit:
        """The status of a pilot that leaves because of an error."""
        if self.is_closed:
            return PilotExit.CLOSED
        return PilotExit.BAD_WORKER if self.is_bad else PilotExit.FAILED
