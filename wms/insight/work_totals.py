"""Add up the times and the work of the taskforces of a task. (core)"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.worker_times import Activity


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTotals:
    """The sums of some taskforces. Times are seconds of workers: a worker that takes two events at once counts once."""

    #: How many taskforces the sums contain. How many other taskforces had workers whose times are unknown.
    n_counted: int = 0
    n_uncounted: int = 0
    #: Whether some pilots are missing in what pilots report.
    is_partial: bool = False
    worker_s: float = 0.0
    core_s: float = 0.0
    activities: Mapping[Activity, float] = field(default_factory=dict)
    #: What pilots report: the time of runs that succeeded, of other runs, and without a run.
    busy_s: float = 0.0
    lost_s: float = 0.0
    idle_s: float = 0.0
    #: The time of all successful runs. It is more than `busy_s` if workers take several events at once.
    service_s: float = 0.0
    n_workers: int = 0
    n_starts: int = 0
    n_pilots: int = 0
    n_slots: int = 0
    n_done: int = 0
    n_failed: int = 0
    peak_mib: int = 0
    memory_bytes: int = 0
    durations: Mapping[int, int] = field(default_factory=dict)
    #: When the first worker started and when the last one left, or was last seen at work.
    began_at: datetime | None = None
    ended_at: datetime | None = None
    #: When the last run that succeeded ended.
    last_done_at: datetime | None = None
    #: Whether a worker has left.
    has_ended_run: bool = False

    @property
    def span_s(self) -> float:
        """The time from the first worker's start to the last one's end."""
        if self.began_at is None or self.ended_at is None:
            return 0.0
        return max(0.0, (self.ended_at - self.began_at).total_seconds())

    @property
    def success_span_s(self) -> float | None:
        """The time from the first worker's start to the end of the last run that succeeded; None if it is unknown."""
        if self.began_at is None or self.last_done_at is None:
            return None
        return max(0.0, (self.last_done_at - self.began_at).total_seconds())


def count_taskforce(taskforce: TaskforceDocument) -> WorkTotals:
    """Return the totals of one taskforce, at the instant of its last statuses."""
    n_workers = taskforce.n_workers or taskforce.default_n_workers or 1
    memory_bytes = taskforce.worker_config.memory_bytes
    times, as_of = taskforce.times, taskforce.status_as_of
    if times is None or as_of is None:
        n_uncounted = int(taskforce.cluster_id is not None)
        return WorkTotals(n_uncounted=n_uncounted, n_workers=n_workers, memory_bytes=memory_bytes)
    activities = {activity: total.count_seconds(as_of) for activity, total in times.sums.items()}
    worker_s = sum(activities.values())
    n_slots = max(1, times.n_slots)
    is_at_work = any(total.n_now for total in times.sums.values())
    return WorkTotals(
        n_counted=1,
        is_partial=times.is_partial,
        worker_s=worker_s,
        core_s=worker_s * taskforce.worker_config.n_cores,
        activities=activities,
        busy_s=times.done_ms / 1000 / n_slots,
        lost_s=times.lost_ms / 1000 / n_slots,
        idle_s=times.idle_ms / 1000 / n_slots,
        service_s=times.done_ms / 1000,
        n_starts=times.n_runs,
        n_pilots=times.n_pilots,
        n_slots=times.n_slots,
        n_done=times.n_done,
        n_failed=times.n_failed,
        peak_mib=times.peak_mib,
        durations={int(bucket): n for bucket, n in times.durations.items()},
        began_at=times.first_run_at,
        ended_at=as_of if is_at_work else times.last_left_at,
        last_done_at=times.last_done_at,
        has_ended_run=times.last_left_at is not None,
        n_workers=n_workers,
        memory_bytes=memory_bytes,
    )


def add_totals(parts: Iterable[WorkTotals]) -> WorkTotals:
    """Return the sum of `parts`: of sizes and of slots the maximum, of instants the earliest start and latest end."""
    each = list(parts)
    durations = Counter[int]()
    for part in each:
        durations.update(part.durations)
    present = {activity for part in each for activity in part.activities}
    return WorkTotals(
        n_counted=sum(part.n_counted for part in each),
        n_uncounted=sum(part.n_uncounted for part in each),
        is_partial=any(part.is_partial for part in each),
        worker_s=sum(part.worker_s for part in each),
        core_s=sum(part.core_s for part in each),
        activities={name: sum(part.activities.get(name, 0.0) for part in each) for name in present},
        busy_s=sum(part.busy_s for part in each),
        lost_s=sum(part.lost_s for part in each),
        idle_s=sum(part.idle_s for part in each),
        service_s=sum(part.service_s for part in each),
        n_workers=sum(part.n_workers for part in each),
        n_starts=sum(part.n_starts for part in each),
        n_pilots=sum(part.n_pilots for part in each),
        n_slots=max((part.n_slots for part in each), default=0),
        n_done=sum(part.n_done for part in each),
        n_failed=sum(part.n_failed for part in each),
        peak_mib=max((part.peak_mib for part in each), default=0),
        memory_bytes=max((part.memory_bytes for part in each), default=0),
        durations=dict(durations),
        began_at=min((part.began_at for part in each if part.began_at is not None), default=None),
        ended_at=max((part.ended_at for part in each if part.ended_at is not None), default=None),
        last_done_at=max((part.last_done_at for part in each if part.last_done_at is not None), default=None),
        has_ended_run=any(part.has_ended_run for part in each),
    )
