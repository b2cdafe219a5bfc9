"""A simulated job: it starts a pilot, and starts it again as the pool would."""

from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.simulation.agenda import Agenda, PlannedCall
from deploy.simulation.pilots import PilotEnd, SimulatedPilot
from schemas.fleet.worker_times import Activity
from tms.jobs.restarts import JobOver, StartAgain, decide_restart


@dataclass(slots=True)
class JobTimes:
    """The sums of all workers of a task, as TMS adds them up from the job event log and from chirps. Times are seconds,
    or milliseconds where the name says so."""

    worker_s: float = 0.0
    activities: dict[Activity, float] = field(default_factory=lambda: dict.fromkeys(Activity, 0.0))
    n_starts: int = 0
    n_done: int = 0
    n_failed: int = 0
    done_ms: int = 0
    lost_ms: int = 0
    idle_ms: int = 0

    def add_start(self, took_s: float) -> None:
        """Add the time from a worker's start until its pilot is ready."""
        self.n_starts += 1
        self.worker_s += took_s
        self.activities[Activity.STARTING] += took_s

    def add_pilot(self, end: PilotEnd, *, ready_s: float, now_s: float) -> None:
        """Add the life of a pilot that was ready at `ready_s` and has ended now."""
        self.worker_s += now_s - ready_s
        first_s = now_s if end.first_event_s is None else end.first_event_s
        failed_s = now_s if end.failed_since_s is None else end.failed_since_s
        self.activities[Activity.WAITING] += min(first_s, failed_s) - ready_s
        self.activities[Activity.FAILED] += now_s - failed_s
        if end.work is not None:
            self.n_done += end.work.n_done
            self.n_failed += end.work.n_failed
            self.done_ms += end.work.done_ms
            self.lost_ms += end.work.lost_ms
            # A quarantine counts as failed, and not as idle.
            self.idle_ms += max(0, end.work.idle_ms - int(1000 * (now_s - failed_s)) * end.work.n_slots)


class SimulatedJob:
    """One job: a worker of a task, from its first start until the fleet stops it."""

    def __init__(
        self,
        agenda: Agenda,
        times: JobTimes,
        *,
        start_s: float,
        max_runtime_s: float,
        is_source: bool,
        make_pilot: Callable[[float, Callable[[PilotEnd], None]], SimulatedPilot],
        on_over: Callable[[], None],
    ) -> None:
        """`start_s` is how long a start takes. `make_pilot` gets the time of the start, and what to call at the end.

        The job calls `on_over` if it never starts again.
        """
        self._agenda, self._times = agenda, times
        self._start_s, self._max_runtime_s, self._is_source = start_s, max_runtime_s, is_source
        self._make_pilot, self._on_over = make_pilot, on_over
        self._n_starts = 0
        self._started_s = self._ready_s = 0.0
        self._last_started_s: float | None = None
        self._pilot: SimulatedPilot | None = None
        #: The end of a start or of a pause.
        self._next: PlannedCall | None = None
        self._is_starting = self._is_stopped = False

    def start_worker(self) -> None:
        """Start a worker."""
        now_s = self._agenda.time()
        self._last_started_s = self._started_s if self._n_starts else None
        self._n_starts, self._started_s, self._is_starting = self._n_starts + 1, now_s, True
        self._next = self._agenda.call_later(self._start_s, self._begin_pilot)

    def stop_worker(self) -> None:
        """End the job: stop its pilot, or its start, or its pause."""
        self._is_stopped = True
        if self._pilot is not None:
            self._pilot.ask_to_stop()
            return
        if self._next is not None:
            self._next.cancel()
        if self._is_starting:
            self._times.add_start(self._agenda.time() - self._started_s)

    def _begin_pilot(self) -> None:
        self._is_starting, self._next = False, None
        self._times.add_start(self._start_s)
        self._ready_s = self._agenda.time()
        self._pilot = self._make_pilot(self._started_s, self._end_pilot)
        self._pilot.begin_life()

    def _end_pilot(self, end: PilotEnd) -> None:
        now_s = self._agenda.time()
        self._pilot = None
        self._times.add_pilot(end, ready_s=self._ready_s, now_s=now_s)
        if self._is_stopped:
            return
        match decide_restart(
            end.exit_status,
            started_s=self._started_s,
            ended_s=now_s,
            last_started_s=self._last_started_s,
            n_starts=self._n_starts,
            is_source=self._is_source,
            max_runtime_s=self._max_runtime_s,
        ):
            case JobOver():
                self._on_over()
            case StartAgain(pause_s):
                self._next = self._agenda.call_later(pause_s, self.start_worker)
