"""Call back the starts at drained locations, and end the workers there when an operator's time for that has come. At a
lost location, end everything.
"""

import os
from datetime import datetime

from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from runtime.telemetry import log
from schemas.fleet.documents import TASKFORCES
from schemas.fleet.phases import Phase
from schemas.fleet.statuses import JobStatus
from schemas.ids import TaskforceUuid, WorkflowId
from wms.fleet.choices.fleet_settings import Drain, ReadSettings
from wms.fleet.id_source import IdSource
from wms.fleet.life.conditions import NOT_OVER, ORDERED_START
from wms.fleet.life.stimuli import EndDrained, EndLost
from wms.fleet.transactions import FleetTransactions

#: How often to look for what has started after all: another WMS ordered it before it knew of the drain.
_LOOK_S = 5.0
#: How many taskforces one look ends at a location. The next look comes at once if there were as many.
_AT_ONCE = 100

#: Finds taskforces with jobs that wait for slots and without a worker, by the last report of their TMS.
_ONLY_QUEUED: Document = {
    f"compound_statuses.{JobStatus.IDLE}": {"$exists": True},
    **{f"compound_statuses.{status}": {"$exists": False} for status in (JobStatus.RUNNING, JobStatus.SUSPENDED)},
}


class DrainWatch:
    """The loop that ends taskforces at drained locations."""

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
        """Wake the loop, so that it looks for taskforces to end."""
        self._loop.wake()

    async def look(self) -> float | None:
        """Call back ordered starts, and end the workers whose time has come. Return 0 if there may be more of them."""
        now = utc_now()
        n_ended = [await self._end_taskforces(drain, now) for drain in self._read_settings().drains]
        return 0.0 if any(n >= _AT_ONCE for n in n_ended) else None

    async def _end_taskforces(self, drain: Drain, now: datetime) -> int:
        """End at most `_AT_ONCE` taskforces at the schedd of `drain`, and return how many there were."""
        found = await self._store.find(
            TASKFORCES,
            filter_to_end(drain, now),
            limit=_AT_ONCE,
            projection={"workflow_id": 1, "phase": 1},
        )
        due = is_due(drain, now)
        queued = frozenset(
            TaskforceUuid(one["_id"]) for one in found if one["phase"] == Phase.CONDOR_SUBMIT and not due
        )
        if drain.is_lost:
            # First, so that this comes again if WMS ends here. Nobody has seen how these workers are.
            unseen: Document = {"$set": {"compound_statuses": {}}}
            await self._store.bulk_update(TASKFORCES, [({"_id": one["_id"]}, unseen) for one in found])
        for workflow_id in sorted({taskforce["workflow_id"] for taskforce in found}):
            mint = IdSource(os.urandom(32), now)
            stimulus = (
                EndLost(drain.schedd, drain.loss)
                if drain.is_lost
                else EndDrained(drain.schedd, drain.sentence, ends_workers=due, mint=mint, queued=queued)
            )
            await self._transactions.apply_stimulus(WorkflowId(workflow_id), stimulus, with_tasks=True)
        if found:
            log.info("taskforces at a drained location end", schedd=drain.schedd, n_taskforces=len(found))
        return len(found)


def filter_to_end(drain: Drain, now: datetime) -> Document:
    """Return the filter of the taskforces that `drain` ends now: those with an order to start, those that HTCondor has
    only queued, and those with workers if these must end. At a lost location, it ends all that are not over.
    """
    if drain.is_lost:
        return {"schedd": drain.schedd, **NOT_OVER}
    submitted: Document = {"phase": Phase.CONDOR_SUBMIT, **({} if is_due(drain, now) else _ONLY_QUEUED)}
    return {"schedd": drain.schedd, "$or": [ORDERED_START, submitted]}


def is_due(drain: Drain, now: datetime) -> bool:
    """Return whether the workers of `drain` must end now."""
    return drain.workers_end_at is not None and drain.workers_end_at <= now
