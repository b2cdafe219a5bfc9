"""Force the removal of jobs on dead machines. Otherwise such a job keeps its cluster in the queue.

To remove a running job, HTCondor asks the job's machine to end the job. HTCondor repeats this until the job's lease is
over, even if the machine is dead. TMS does not wait so long, and loses nothing: the events of a dead pilot have gone
back to their queues. After its own restart, HTCondor knows which machines it has lost, and TMS waits only some seconds
(`Pool.force_removals`).
"""

from runtime.concurrency.loops import BackgroundLoop
from runtime.telemetry import log
from tms.log.watch import LogWatch
from tms.pools.interface import Pool

#: How many seconds a removal may take before TMS forces it. A pilot has 20 s to end its tasks.
GRACE_S = 60
_LOOK_S = 5.0


class ForcedRemoval:
    """The loop that forces overdue removals."""

    def __init__(self, *, pool: Pool, watch: LogWatch) -> None:
        self._pool = pool
        self._watch = watch

    async def run(self) -> None:
        """Look for overdue removals every few seconds, as long as TMS follows any cluster. This never returns."""
        await BackgroundLoop(
            self._look_once,
            name="forced removal",
            failed="overdue removals could not be forced",
            every_s=_LOOK_S,
            begins_after_s=_LOOK_S,
        ).run()

    async def _look_once(self) -> None:
        if self._watch.list_followed() and (n_jobs := await self._pool.force_removals(GRACE_S)):
            log.warning("forced the removal of jobs whose machine does not answer", n_jobs=n_jobs)
