"""Where clusters live: a schedd, or child processes on this machine. Both speak HTCondor's words and write its log."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from schemas.ids import TaskforceUuid
from tms.jobs.submit_description import Submission
from tms.jobs.trials import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster in the queue. `awaits_release`: no job of it was ever made, nor will be before the release."""

    cluster_id: int
    taskforce_uuid: TaskforceUuid
    n_workers: int
    awaits_release: bool
    job_event_log: str


class Pool(Protocol):
    """What TMS asks of a pool. Every method raises `PoolUnavailable` while the pool does not answer."""

    async def start(self) -> None:
        """Take up what an earlier TMS left."""

    async def stop(self) -> None:
        """Let go of the pool; clusters stay in it."""

    async def ping(self) -> None:
        """Return if the pool answers."""

    async def clusters(self) -> list[Cluster]:
        """Return all clusters of taskforces, in the order of their ids."""

    async def find(self, taskforce: TaskforceUuid) -> list[Cluster]:
        """Return the clusters of `taskforce`, paused and empty ones included, in the order of their ids."""

    async def unmatched(self, taskforces: Collection[TaskforceUuid]) -> dict[TaskforceUuid, str]:
        """Return why no slot can take the jobs of those of `taskforces` that no slot can, even an empty one."""

    async def has_other_machine(self, taskforce: TaskforceUuid, machines: Collection[str]) -> bool:
        """Return whether a machine that is none of `machines` can take the jobs of `taskforce` when it is empty."""

    async def charges_events(self, taskforce: TaskforceUuid) -> bool:
        """Return whether the pilots of `taskforce` that start now charge each failure against its event."""

    async def apply(self, taskforce: TaskforceUuid, ruling: Ruling, *, succeeded: Collection[int]) -> None:
        """Let `ruling` hold for the jobs of `taskforce` that were made so far; it may be gone.

        Where it changes whether failures are charged, the running jobs that have not `succeeded`, by ProcId, start
        again, and so do those that pause: a pilot learns of it when it starts.
        """

    async def submit(self, cluster: Submission) -> Cluster:
        """Put `cluster` into the queue, paused: nothing of it runs.

        Raises:
            SubmitRefused: the pool will not have it.
        """

    async def release(self, taskforce: TaskforceUuid, cluster_id: int) -> bool:
        """Let the jobs of a cluster run. False: it had been released before, and nothing was done.

        Raises:
            ClusterGone: it is not in the queue.
        """

    async def remove(self, taskforce: TaskforceUuid, cluster_id: int | None = None) -> list[int]:
        """Remove one cluster of `taskforce`, or all, and return their ids; none is fine.

        Raises:
            RemoveRefused: the pool will not.
        """

    async def force_removals(self, grace_s: int) -> int:
        """Remove for good the jobs whose removal has taken longer than `grace_s`, and return how many there were."""
