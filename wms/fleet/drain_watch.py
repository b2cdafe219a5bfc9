"""End the workers at drained locations when the time that an operator set for that has come."""

from datetime import datetime

from runtime.clock import utc_now
from runtime.kernel.store import Store
from runtime.loops import BackgroundLoop
from runtime.telemetry import log
from schemas.fleet.documents import TASKFORCES
from schemas.fleet.phases import Phase
from schemas.ids import WorkflowId
from wms.fleet.choices.fleet_settings import Drain, FleetSettings, ReadSettings
from wms.fleet.life.stimuli import EndDrained
from wms.fleet.transactions import FleetTransactions

#: How often to look for workers that have started after all: their TMS had the order before the drain.
_LOOK_S = 5.0
#: How many taskforces one look ends at a location. The next look comes at once if there were as many.
_AT_ONCE = 100


class DrainWatch:
    """The loop that ends workers at drained locations."""

    def __init__(self, store: Store, transactions: FleetTransactions, read_settings: ReadSettings) -> None:
        self._store = store
        self._transactions = transactions
        self._read_settings = read_settings
        self._loop = BackgroundLoop(
            self.look, name="drain watch", failed="workers at drained locations go on", every_s=_LOOK_S
        )

    def start(self) -> None:
        """Start the loop."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop the loop."""
        await self._loop.stop()

    def look_soon(self) -> None:
        """Wake the loop, so that it looks for workers to end."""
        self._loop.wake()

    async def look(self) -> float | None:
        """End the workers whose time has come. Return 0 if there may be more of them."""
        drains = find_due_drains(self._read_settings(), utc_now())
        n_ended = [await self._end_workers(drain) for drain in drains]
        return 0.0 if any(n >= _AT_ONCE for n in n_ended) else None

    async def _end_workers(self, drain: Drain) -> int:
        """End at most `_AT_ONCE` taskforces at the schedd of `drain`, and return how many there were."""
        running = await self._store.find(
            TASKFORCES,
            {"schedd": drain.schedd, "phase": Phase.CONDOR_SUBMIT},
            limit=_AT_ONCE,
            projection={"workflow_id": 1},
        )
        for workflow_id in sorted({taskforce["workflow_id"] for taskforce in running}):
            await self._transactions.apply_stimulus(
                WorkflowId(workflow_id), EndDrained(drain.schedd, drain.sentence), with_tasks=True
            )
        if running:
            log.info("workers at a drained location end", schedd=drain.schedd, n_taskforces=len(running))
        return len(running)


def find_due_drains(settings: FleetSettings, now: datetime) -> list[Drain]:
    """Return the drains whose workers must end now."""
    return [drain for drain in settings.drains if drain.workers_end_at is not None and drain.workers_end_at <= now]
