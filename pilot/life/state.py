"""The data of a pilot's decisions: the fixed policy, the state, and `Step`, the result of a decision. (core)

Times are seconds of a monotonic clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pilot.failures.failure import Failure
from pilot.life.instructions import ChirpStatus, Instruction
from pilot.life.lookahead import Pace
from pilot.life.records import replace
from pilot.life.stimuli import HeldEvent
from pilot.settings import PilotSettings
from schemas.fleet.statuses import PilotStatus
from schemas.ids import EventId
from schemas.pilot.exits import PilotExit
from schemas.pilot.options import TaskMode


class Stage(StrEnum):
    """The stages of a pilot's life, in order."""

    INIT = "init"
    LISTENING = "listening"
    DRAINING = "draining"
    QUARANTINED = "quarantined"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings on which decisions depend.

    A `source` has no input queue, and runs its task once. With `warm`, a container runs event after event.
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
    #: Whether the task fails on every worker. Then failures count against events even before the pilot's first success.
    charges_events: bool = False
    #: Whether the pilot publishes how each event ended. Then a failure of the task is an answer: the event is not tried
    #: again, and makes no dead letter.
    reports_outcomes: bool = False
    #: Whether an event that a lost pilot may have run must not run again.
    at_most_once: bool = False
    #: At most once: how long a run may take. A pilot takes no event if less time is left. 0: it is unknown.
    longest_run_s: float = 0.0
    #: How long the worker lives (0 if unknown), and when the pilot must be done with its tasks (None without a limit).
    runtime_s: float = 0.0
    ends_s: float | None = None

    @property
    def judges_worker(self) -> bool:
        """Whether the pilot finds out if the event or the worker is at fault.

        Other pilots leave at the first error, or never because of errors.
        """
        return not self.stop_on_error and self.max_failures_in_a_row > 0


def derive_policy(settings: PilotSettings, *, ends_s: float | None = None, charges_events: bool = False) -> Policy:
    """Return the policy that follows from the settings. `ends_s` is when the pilot must have ended its tasks."""
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
        # No look-ahead: an event that a pilot loses before its start would be in doubt, too.
        prefetch=settings.concurrency if settings.at_most_once else settings.prefetch,
        has_init=settings.init is not None,
        source=not settings.inputs,
        warm=settings.task_mode is TaskMode.STREAM,
        charges_events=charges_events,
        reports_outcomes=bool(settings.outcomes_to),
        at_most_once=settings.at_most_once,
        longest_run_s=(settings.task_timeout_s or 0.0) if settings.at_most_once else 0.0,
        runtime_s=settings.worker_runtime_s or 0.0,
        ends_s=ends_s,
    )


@dataclass(frozen=True)  # without slots, for `replace`
class UnsettledEvent:
    """An event whose output is on the way to the broker. If there is a `failure`, its dead letter or outcome is."""

    held: HeldEvent
    failure: Failure | None = None
    #: Whether the failure goes to the broker as an outcome, and not as a dead letter.
    is_outcome: bool = False
    n_refused: int = 0


@dataclass(frozen=True, slots=True)
class OpenVerdict:
    """A failed event that the pilot keeps until it knows whether the event or the worker is at fault."""

    held: HeldEvent
    failure: Failure


@dataclass(frozen=True)  # without slots, for `replace`
class PilotState:
    """All that a decision needs besides the stimulus. `begin_life` makes the first state."""

    policy: Policy
    stage: Stage
    #: Since when the pilot has had no event in hand, although it could take events.
    quiet_since_s: float
    init_runs: bool = False
    #: `warm`: whether warm containers run. `cooling`: whether they are ending because no more events will come.
    warm: bool = False
    cooling: bool = False
    waiting: tuple[HeldEvent, ...] = ()
    running: Mapping[int, HeldEvent] = field(default_factory=dict)
    settling: Mapping[int, UnsettledEvent] = field(default_factory=dict)
    #: Failed events whose verdict is open: the event or this worker may be at fault.
    open: Mapping[int, OpenVerdict] = field(default_factory=dict)
    #: Whether the pilot wants its subscriptions, and how many unsettled events each subscription may deliver.
    listening: bool = False
    prefetch: int = 0
    #: How many verdicts were open when the present subscriptions began. The events of those do not use up prefetch.
    n_set_aside: int = 0
    pace: Pace = field(default_factory=Pace)
    #: `full_since_s`: since when all slots have been busy. `away_since_s`: since when a subscription has been missing.
    #: `away_why`: the broker's last error.
    full_since_s: float | None = None
    away_since_s: float | None = None
    away_why: str = ""
    ticked_s: float = 0.0
    seen_any: bool = False
    n_failed: int = 0
    n_success: int = 0
    failed_in_a_row: tuple[EventId, ...] = ()
    #: `charged`: the highest attempt number that was charged before the first success. `aside_until_s`: until when this
    #: pilot leaves events to other pilots.
    charged: int = 0
    aside_until_s: float | None = None
    #: The events that this pilot has left to workers with more of their life left.
    passed_on: frozenset[EventId] = frozenset()
    errors: tuple[str, ...] = ()
    traceback: str = ""
    #: `fatal`: why the pilot itself cannot go on; empty if it can. `is_bad`: whether its worker is bad.
    fatal: str = ""
    is_bad: bool = False
    #: Whether a queue was deleted, so that no pilot is needed any more.
    is_closed: bool = False
    asked_to_stop: bool = False
    #: When the grace time of a stop, or the quarantine, ends.
    until_s: float | None = None
    killed: bool = False
    #: `ready_s`: when the pilot was ready for its first event, or for a source's only run. `time_up`: whether its
    #: working time is over.
    ready_s: float = 0.0
    time_up: bool = False
    reported: PilotStatus = PilotStatus.STARTED

    @property
    def blames_events(self) -> bool:
        """Whether failures count against events although this pilot has had no success yet."""
        return self.policy.charges_events and self.policy.judges_worker and not self.n_success

    @property
    def is_empty(self) -> bool:
        """Whether the pilot has no event in hand, and no init container runs."""
        return not (self.running or self.settling or self.waiting or self.open or self.init_runs)

    @property
    def exit_status(self) -> PilotExit:
        """The exit status of a pilot that leaves because of an error."""
        if self.is_closed:
            return PilotExit.CLOSED
        return PilotExit.BAD_WORKER if self.is_bad else PilotExit.FAILED


#: The result of a decision: the new state, and the instructions to carry out.
Step = tuple[PilotState, list[Instruction]]


def report_status(state: PilotState, status: PilotStatus, instructions: list[Instruction]) -> Step:
    """Return the step that also chirps `status`. If `status` was reported last, add nothing."""
    if state.reported is status:
        return state, instructions
    return replace(state, reported=status), [*instructions, ChirpStatus(status)]
