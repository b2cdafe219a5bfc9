"""A simulated pilot: the real decisions (`pilot.life`) and the real meter, over a simulated broker and task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from deploy.simulation.agenda import Agenda, PlannedCall
from deploy.simulation.queues import SimulatedEvent, SimulatedQueue, Subscription
from pilot.failures.failure import Failure
from pilot.life.instructions import (
    ChirpStatus,
    CoolDown,
    Instruction,
    KillAll,
    LeaveProcess,
    Listen,
    PublishDeadLetter,
    PublishOutcome,
    PublishOutput,
    Settle,
    Start,
    StopListening,
)
from pilot.life.state import Policy
from pilot.life.stimuli import CooledDown, EventArrived, HeldEvent, PublishConfirmed, RunEnded, StopAsked, Tick
from pilot.machine.work_meter import WorkMeter
from pilot.runners.lifecycle_runner import LifecycleRunner
from schemas.fleet.statuses import PilotStatus
from schemas.ids import EventId
from schemas.pilot.work_report import WorkReport

#: How long the broker takes to confirm a publication, in seconds.
CONFIRM_S = 0.005

#: The key of a source's only run, which has no event.
_SOURCE_KEY = 0


@dataclass(frozen=True, slots=True)
class RunPlan:
    """How the next run of a task will go."""

    took_s: float
    failure: Failure | None = None


@dataclass(slots=True)
class _Held:
    event: SimulatedEvent
    subscription: Subscription | None


@dataclass(slots=True)
class _SimulatedRun:
    began_s: float
    end: PlannedCall


@dataclass(frozen=True, slots=True)
class PilotEnd:
    """How a pilot ended. Times are of the virtual clock, and None if they never came."""

    exit_status: int
    work: WorkReport | None
    first_event_s: float | None
    failed_since_s: float | None


class SimulatedPilot:
    """A pilot that is ready for events."""

    def __init__(
        self,
        agenda: Agenda,
        policy: Policy,
        inputs: Sequence[SimulatedQueue],
        *,
        plan_run: Callable[[SimulatedEvent], RunPlan],
        publish_output: Callable[[], None] | None,
        publish_dead_letter: Callable[[], None],
        on_end: Callable[[PilotEnd], None],
    ) -> None:
        """`plan_run` says how a run of an event will go. `publish_output` is None if the task publishes nothing.

        Call `begin_life` once, to start.
        """
        self._agenda = agenda
        self._policy = policy
        self._inputs = inputs
        self._plan_run, self._on_end = plan_run, on_end
        self._publish_output, self._publish_dead_letter = publish_output, publish_dead_letter
        self._life = LifecycleRunner(self._carry_out, make_tick=lambda: Tick(agenda.time()), clock=agenda)
        self._meter = WorkMeter("simulated", policy.concurrency)
        self._keys = count(1)
        self._subscriptions: list[Subscription] = []
        self._held: dict[int, _Held] = {}
        self._runs: dict[int, _SimulatedRun] = {}
        self._first_event_s: float | None = None
        self._failed_since_s: float | None = None
        self._has_ended = False

    def begin_life(self) -> None:
        """Take events from now on. A source runs its task."""
        if self._policy.source:
            self._held[_SOURCE_KEY] = _Held(SimulatedEvent(0), None)
        self._life.begin_life(self._policy)

    def ask_to_stop(self) -> None:
        """Ask the pilot to leave."""
        self._life.handle_stimulus(StopAsked(self._agenda.time()))

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case Start(key):
                self._start_run(key)
            case PublishOutput(key, after_s):
                self._confirm_later(key, after_s, self._publish_output)
            case PublishDeadLetter(key, after_s=after_s):
                self._confirm_later(key, after_s, self._publish_dead_letter)
            case PublishOutcome(key, after_s=after_s):
                self._confirm_later(key, after_s, None)
            case Settle(key, how):
                held = self._held.pop(key)
                if held.subscription is not None:
                    held.subscription.settle_event(held.event, how)
            case Listen(prefetch):
                self._stop_listening()
                self._subscriptions = [each.open_subscription(prefetch, self._take_event) for each in self._inputs]
                self._life.handle_stimulus(Tick(self._agenda.time()))
            case StopListening():
                self._stop_listening()
            case KillAll():
                for key in list(self._runs):
                    self._end_run(key, None, interrupted=True)
            case CoolDown():
                self._life.handle_stimulus(CooledDown(self._agenda.time()))
            case ChirpStatus(PilotStatus.FATAL_ERROR):
                self._failed_since_s = self._agenda.time()
            case LeaveProcess(status):
                self._leave(status)
            case _:
                # The others only tell people something, or begin what the simulation counts as a part of the start.
                pass

    def _stop_listening(self) -> None:
        for subscription in self._subscriptions:
            subscription.cancel()
        self._subscriptions = []

    def _take_event(self, subscription: Subscription, event: SimulatedEvent) -> None:
        key = next(self._keys)
        self._held[key] = _Held(event, subscription)
        now_s = self._agenda.time()
        if self._first_event_s is None:
            self._first_event_s = now_s
        held = HeldEvent(key, EventId(str(event.number)), event.attempt, "", n_returned=event.n_returned)
        self._life.handle_stimulus(EventArrived(now_s, held))

    def _start_run(self, key: int) -> None:
        now_s = self._agenda.time()
        plan = self._plan_run(self._held[key].event)
        self._meter.begin_run(key, now_s)
        end = self._agenda.call_later(plan.took_s, lambda: self._end_run(key, plan.failure, interrupted=False))
        self._runs[key] = _SimulatedRun(now_s, end)

    def _end_run(self, key: int, failure: Failure | None, *, interrupted: bool) -> None:
        now_s, run = self._agenda.time(), self._runs.pop(key)
        run.end.cancel()
        self._meter.end_run(key, now_s, has_failed=failure is not None, was_interrupted=interrupted)
        self._life.handle_stimulus(
            RunEnded(
                now_s,
                key,
                took_s=now_s - run.began_s,
                has_output=self._publish_output is not None and failure is None and not interrupted,
                failure=failure,
                interrupted=interrupted,
            )
        )

    def _confirm_later(self, key: int, after_s: float, publish: Callable[[], None] | None) -> None:
        def confirm() -> None:
            if key not in self._held:  # the pilot has abandoned the event
                return
            if publish is not None:
                publish()
            self._life.handle_stimulus(PublishConfirmed(self._agenda.time(), key))

        self._agenda.call_later(after_s + CONFIRM_S, confirm)

    def _leave(self, status: int) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._life.cancel_timer()
        now_s = self._agenda.time()
        work = self._meter.read_work(now_s, wall_ms=int(now_s * 1000), peak_bytes=0)
        self._on_end(PilotEnd(status, work, self._first_event_s, self._failed_since_s))
