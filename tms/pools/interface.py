"""What a pool can do: a schedd, or child processes on this machine. Both write HTCondor's job event log."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from schemas.ids import TaskforceUuid
from tms.jobs.submit_description import Submission
from tms.jobs.trials import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster in the queue. `awaits_release`: it has no job yet, and will get none before its release."""

    cluster_id: int
    taskforce_uuid: TaskforceUuid
    n_workers: int
    awaits_release: bool
    job_event_log: str


class Pool(Protocol):
    """A pool of workers. Every method raises `PoolUnavailable` while the pool does not answer."""

    async def start(self) -> None:
        """Connect to the pool, and take over the clusters of an earlier TMS."""

    async def stop(self) -> None:
        """Disconnect from the pool. Its clusters stay."""

    async def ping(self) -> None:
        """Return if the pool answers."""

    async def list_clusters(self) -> list[Cluster]:
        """Return all clusters of taskforces, in the order of their ids."""

    async def find_clusters(self, taskforce: TaskforceUuid) -> list[Cluster]:
        """Return the clusters of `taskforce`, paused and empty ones included, in the order of their ids."""

    async def explain_unmatched(self, taskforces: Collection[TaskforceUuid]) -> dict[TaskforceUuid, str]:
        """Return those `taskforces` whose jobs no slot can take, even an empty one, each with the reason."""

    async def has_other_machine(self, taskforce: TaskforceUuid, machines: Collection[str]) -> bool:
        """Return whether any machine except `machines` can take the jobs of `taskforce` when nothing runs there."""

    async def charges_events(self, taskforce: TaskforceUuid) -> bool:
        """Return whether pilots of `taskforce` that start now charge each failure against its event."""

    async def apply_ruling(self, taskforce: TaskforceUuid, ruling: Ruling, *, succeeded: Collection[int]) -> None:
        """Apply `ruling` to all present jobs of `taskforce`. If the taskforce has left, do nothing.

        A pilot learns only at its start whether failures are charged. So if the ruling changes that, pausing jobs and
        running jobs start again, except for the running jobs in `succeeded` (ProcIds).
        """

    async def submit_cluster(self, cluster: Submission) -> Cluster:
        """Put `cluster` into the queue, paused: none of its jobs run yet.

        Raises:
            SubmitRefused: the pool refuses it.
        """

    async def release_cluster(self, taskforce: TaskforceUuid, cluster_id: int) -> bool:
        """Let the jobs of a cluster run. Return False, and do nothing, if it was released before.

        Raises:
            ClusterGone: the cluster is not in the queue.
        """

    async def remove_clusters(self, taskforce: TaskforceUuid, cluster_id: int | None = None) -> list[int]:
        """Remove one cluster of `taskforce`, or all (None). Return the ids of the removed clusters; there may be none.

        Raises:
            RemoveRefused: the pool refuses to.
        """

    async def force_removals(self, grace_s: int) -> int:
        """Force the removals that have taken longer than `grace_s`. Return the number of jobs."""
