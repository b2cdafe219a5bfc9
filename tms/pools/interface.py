"""The interface of a pool: a schedd, or child processes on this machine. Both write HTCondor's job event log."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from schemas.ids import TaskforceUuid
from tms.jobs.submit_description import Submission
from tms.jobs.trials import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster in the queue. While it `awaits_release`, it has no jobs and gets none."""

    cluster_id: int
    taskforce_uuid: TaskforceUuid
    n_workers: int
    awaits_release: bool
    job_event_log: str


class Pool(Protocol):
    """A pool of workers. Every method raises `PoolUnavailable` if the pool does not answer."""

    async def start(self) -> None:
        """Connect to the pool, and take over the clusters of an earlier TMS."""

    async def stop(self) -> None:
        """Disconnect from the pool. Its clusters stay."""

    async def ping(self) -> None:
        """Return None if the pool answers; else raise PoolUnavailable."""

    async def list_clusters(self) -> list[Cluster]:
        """Return all clusters of taskforces, in the order of their ids."""

    async def find_clusters(self, taskforce: TaskforceUuid) -> list[Cluster]:
        """Return the clusters of `taskforce`, paused and empty ones included, in the order of their ids."""

    async def explain_unmatched(self, taskforces: Collection[TaskforceUuid]) -> dict[TaskforceUuid, str]:
        """Return the `taskforces` whose jobs no slot can take, even an empty slot. The values are the reasons."""

    async def has_other_machine(self, taskforce: TaskforceUuid, machines: Collection[str]) -> bool:
        """Return whether any machine except `machines` can take the jobs of `taskforce` when nothing runs there."""

    async def charges_events(self, taskforce: TaskforceUuid) -> bool:
        """Return whether pilots of `taskforce` that start now charge each failure against its event."""

    async def apply_ruling(self, taskforce: TaskforceUuid, ruling: Ruling, *, succeeded: Collection[int]) -> None:
        """Apply `ruling` to all present jobs of `taskforce`. Do nothing if the taskforce has left the queue.

        A pilot reads only at its start whether failures count against their events. So if the ruling changes that,
        pausing and running jobs start again, except for the running jobs in `succeeded` (ProcIds).
        """

    async def submit_cluster(self, cluster: Submission) -> Cluster:
        """Put `cluster` into the queue, paused: none of its jobs run yet.

        Raises:
            SubmitRefused: the pool refuses the cluster.
        """

    async def release_cluster(self, taskforce: TaskforceUuid, cluster_id: int) -> bool:
        """Let the jobs of a cluster run, and return True. If it was released before, do nothing and return False.

        Raises:
            ClusterGone: the cluster is not in the queue.
        """

    async def remove_clusters(self, taskforce: TaskforceUuid, cluster_id: int | None = None) -> list[int]:
        """Remove one cluster of `taskforce`, or all (None). Return the ids of the removed clusters; there may be none.

        Raises:
            RemoveRefused: the pool refuses to remove it.
        """

    async def force_removals(self, grace_s: int) -> int:
        """Force the removal of jobs whose removal has taken longer than `grace_s`. Return how many jobs there were."""
