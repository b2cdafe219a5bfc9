"""Count workers by the states that people distinguish."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.fleet.statuses import TAKING_EVENTS, CompoundStatuses, JobStatus


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """The numbers of workers in the states that a display of progress distinguishes."""

    idle: int = 0
    running: int = 0
    #: How many of the running workers have a pilot that takes events; some of them may wait for the next event.
    taking: int = 0
    held: int = 0
    gone: int = 0

    @classmethod
    def from_statuses(cls, statuses: Mapping[str, Mapping[str, int]]) -> "WorkerCounts":
        """Return the numbers of workers in compound statuses (the number of jobs by job status and pilot status)."""
        counts = dict.fromkeys(("idle", "running", "taking", "held", "gone"), 0)
        for job, pilots in statuses.items():
            n = sum(pilots.values())
            if job.startswith(JobStatus.HELD):
                counts["held"] += n
            elif job in (JobStatus.IDLE, JobStatus.RUNNING):
                counts[job.lower()] += n
            else:
                counts["gone"] += n
            if job == JobStatus.RUNNING:
                counts["taking"] += sum(n for pilot, n in pilots.items() if pilot in TAKING_EVENTS)
        return cls(**counts)


def sum_statuses(statuses: Iterable[Mapping[str, Mapping[str, int]]]) -> CompoundStatuses:
    """Return the sum of several compound statuses: the number of jobs by job status and pilot status."""
    total: CompoundStatuses = {}
    for compound in statuses:
        for job, pilots in compound.items():
            inner = total.setdefault(job, {})
            for pilot, n in pilots.items():
                inner[pilot] = inner.get(pilot, 0) + n
    return total
