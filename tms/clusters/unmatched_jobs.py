"""Every ten seconds, find the taskforces whose jobs no slot can take, so that their users see why nothing starts."""

from runtime.concurrency.loops import BackgroundLoop
from runtime.telemetry import gauge
from tms.log.watch import LogWatch
from tms.pools.interface import Pool

INTERVAL_S = 10.0

_unmatched = gauge("taskforces_unmatched", "Taskforces whose waiting jobs no slot of the pool can take.")


class UnmatchedWatch:
    """The loop that asks the pool why no slot can take the jobs of a taskforce.

    The loop asks about each taskforce that has waiting jobs and no running job.
    """

    def __init__(self, pool: Pool, watch: LogWatch) -> None:
        self._pool = pool
        self._watch = watch

    async def run(self) -> None:
        """Ask the pool at once, and then every ten seconds. This never returns."""
        # Other loops warn if the pool is away.
        await BackgroundLoop(
            self.compare_once,
            name="unmatched jobs",
            failed="the waiting jobs could not be compared with the slots",
            every_s=INTERVAL_S,
            level="debug",
        ).run()

    async def compare_once(self) -> None:
        """Ask the pool once, and give its reasons to the watch, which reports them."""
        waiting = self._watch.list_waiting()
        unmatched = await self._pool.explain_unmatched(waiting) if waiting else {}
        _unmatched.set(len(unmatched))
        self._watch.note_unmatched(unmatched)
