"""Model a cluster in the local pool's queue: its jobs by their state, and its file. (no processes here)

    cluster-<id>.json    {"cluster_id": 7, "submitted_at": "…", "is_released": true, "is_removed": false,
                          "spec": {…}}

The file does not hold the jobs' states: as in HTCondor, the log has them.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from schemas.fleet.statuses import JobStatus
from tms.jobs.submit_description import Submission
from tms.log.statuses import Tally
from tms.pools.interface import Cluster


@dataclass(slots=True)
class QueuedCluster:
    """A cluster in the queue, and its jobs (ProcIds) by their state."""

    cluster_id: int
    spec: Submission
    submitted_at: datetime
    is_released: bool
    n_made: int = 0
    idle: deque[int] = field(default_factory=deque)
    held: set[int] = field(default_factory=set)
    running: dict[int, "asyncio.Task[str]"] = field(default_factory=dict)
    is_removed: bool = False
    #: Whether pilots that start now count each failure as an attempt of its event.
    charges_events: bool = False
    #: The running jobs that the pool is ending so that they start again.
    sent_away: set[int] = field(default_factory=set)
    #: Whether the cluster's last record exists.
    has_left: bool = False
    #: The records that the disk has refused so far.
    unwritten: bytes = b""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the cluster from the bytes of `to_bytes`, with no jobs in it yet."""
        kept = json.loads(data)
        spec: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in kept["spec"].items()
        }
        submitted_at = datetime.fromisoformat(kept["submitted_at"])
        return cls(
            kept["cluster_id"],
            Submission(**spec),
            submitted_at,
            kept["is_released"],
            is_removed=kept["is_removed"],
            # A file of an older TMS lacks this.
            charges_events=kept.get("charges_events", False),
        )

    def to_bytes(self) -> bytes:
        """Return the content of the cluster's file."""
        kept = {
            "cluster_id": self.cluster_id,
            "submitted_at": self.submitted_at.isoformat(),
            "is_released": self.is_released,
            "is_removed": self.is_removed,
            "charges_events": self.charges_events,
            "spec": asdict(self.spec),
        }
        return json.dumps(kept, indent=1).encode()

    def place_jobs(self, tally: Tally) -> list[int]:
        """Set the states of the jobs from the log's `tally`. Return the ProcIds of the jobs that ran; they become
        idle.
        """
        self.n_made = len(tally.jobs)
        interrupted = []
        for proc, status in tally.list_job_statuses():
            if status in (JobStatus.RUNNING, JobStatus.SUSPENDED):
                interrupted.append(proc)
            if status in (JobStatus.RUNNING, JobStatus.SUSPENDED, JobStatus.IDLE):
                self.idle.append(proc)
            elif status.startswith(JobStatus.HELD):
                self.held.add(proc)
        return interrupted

    def make_jobs(self) -> range:
        """Make jobs until `max_idle` jobs are waiting or all jobs exist. Return the ProcIds of the new jobs."""
        until = min(self.spec.n_workers, self.n_made + self.spec.max_idle - len(self.idle))
        made = range(self.n_made, max(until, self.n_made))
        self.idle.extend(made)
        self.n_made = made.stop
        return made

    @property
    def is_done(self) -> bool:
        """Return whether every job was made and has ended."""
        return self.n_made >= self.spec.n_workers and not (self.idle or self.held or self.running)

    def job_priority(self, proc: int) -> float:
        """Return the priority of a job, as `submit_description.priority_ramp` defines it."""
        if self.spec.n_workers <= 1 or self.spec.priority <= 1:
            return self.spec.priority
        return self.spec.priority - proc * (self.spec.priority // 2) / (self.spec.n_workers - 1)

    def as_cluster(self) -> Cluster:
        """Return the cluster in the form that all pools share."""
        return Cluster(
            cluster_id=self.cluster_id,
            taskforce_uuid=self.spec.taskforce_uuid,
            n_workers=self.spec.n_workers,
            awaits_release=not self.is_released,
            job_event_log=self.spec.job_event_log,
        )


def choose_cluster(ready: Sequence[QueuedCluster], queue: Iterable[QueuedCluster]) -> QueuedCluster:
    """Return the cluster of `ready` whose job starts next.

    Each cluster in `ready` has an idle job. `queue` has all clusters. As in HTCondor, the submitter with the fewest
    busy cores comes first; priorities do not count between submitters. Among the jobs of one submitter, the highest
    priority comes first, then the oldest cluster.
    """
    busy: Counter[str] = Counter()
    for queued in queue:
        busy[queued.spec.submitter] += len(queued.running) * queued.spec.n_cores
    oldest: dict[str, int] = {}
    for queued in ready:
        submitter = queued.spec.submitter
        oldest[submitter] = min(queued.cluster_id, oldest.get(submitter, queued.cluster_id))
    first = min(oldest, key=lambda submitter: (busy[submitter], oldest[submitter]))
    own = [queued for queued in ready if queued.spec.submitter == first]
    return max(own, key=lambda queued: (queued.job_priority(queued.idle[0]), -queued.cluster_id))
