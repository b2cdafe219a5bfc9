"""Delete hosts whose job was never stored. A WMS stores the hosts first, and may die before it stores the job."""

from runtime.concurrency.loops import BackgroundLoop
from schemas.ids import RunUuid
from wms.jobs.stored.job_store import JobStore

#: No request takes so long (seconds) from its first host to its job.
_SWEEP_S = 3600.0


class LeftoverHosts:
    """Deletes hosts that have had no job for a whole sweep."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._seen: frozenset[RunUuid] = frozenset()
        self._loop = BackgroundLoop(
            self.sweep, name="leftover hosts", failed="hosts without a job stay", every_s=_SWEEP_S
        )

    def start(self) -> None:
        """Begin to sweep."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop."""
        await self._loop.stop()

    async def sweep(self) -> None:
        """Delete the hosts that had no job in the last sweep either."""
        found = await self._jobs.list_hosts_without_job()
        for job in found & self._seen:
            await self._jobs.delete_hosts_without_job(job)
        self._seen = found
