"""The interface of a pool: a schedd, or child processes on this machine. Both write HTCondor's job event log."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from schemas.ids import TaskforceUuid
from tms.jobs.submit_description import Submission
from tms.jobs.trials import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster in the queue. If `awaits_release`, the cluster has no jobs before its release."""

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
        """Return None if the pool answers.

        Raises:
            PoolUnavailable: the pool does not answer.
        """

    async def list_clusters(self) -> list[Cluster]:
        """Return all clusters of taskforces, in the order of their ids."""

    async def find_clusters(self, taskforce: TaskforceUuid) -> list[Cluster]:
        """Return the clusters of `taskforce` in the order of their ids, also those that are paused or have no jobs."""

    async def explain_unmatched(self, taskforces: Collection[TaskforceUuid]) -> dict[TaskforceUuid, str]:
        """Return why no slot can take the jobs of a taskforce, not even an empty slot: taskforce -> reason.

        Of `taskforces`, leave out those whose jobs fit a slot.
        """

    async def has_other_machine(self, taskforce: TaskforceUuid, machines: Collection[str]) -> bool:
        """Return whether a machine outside of `machines` could take the jobs of `taskforce` if nothing else ran on
        it.
        """

    async def charges_events(self, taskforce: TaskforceUuid) -> bool:
        """Return whether the pilots of `taskforce` that start now count each failure as an attempt of its event."""

    async def apply_ruling(self, taskforce: TaskforceUuid, ruling: Ruling, *, succeeded: Collection[int]) -> None:
        """Apply `ruling` to all jobs of `taskforce` in the queue. Do nothing if the taskforce has left the queue.

        If `ruling` changes whether failures count as attempts of their events, restart the paused and the running jobs,
        because a pilot reads this only at its start. Do not restart running jobs in `succeeded` (ProcIds).
        """

    async def submit_cluster(self, cluster: Submission) -> Cluster:
        """Put `cluster` into the queue, paused, so that none of its jobs run yet. Return it as the pool has it, with
        its id.

        Raises:
            SubmitRefused: the pool refuses the cluster.
        """

    async def release_cluster(self, taskforce: TaskforceUuid, cluster_id: int) -> bool:
        """Let the jobs of a cluster run, and return True. If the cluster was released before, do nothing and return
        False.

        Raises:
            ClusterGone: the cluster is not in the queue.
            ReleaseRefused: the pool refuses to release the cluster.
        """

    async def remove_clusters(self, taskforce: TaskforceUuid, cluster_id: int | None = None) -> list[int]:
        """Remove the cluster `cluster_id` of `taskforce`; all its clusters if `cluster_id` is None. Return their ids.

        Running jobs may end later.

        Raises:
            RemoveRefused: the pool refuses to remove a cluster.
        """

    async def force_removals(self, grace_s: int) -> int:
        """Force the removal of jobs whose removal has taken longer than `grace_s` seconds. Return the number of these
        jobs.

        A job whose machine the pool has lost has 5 s.
        """
