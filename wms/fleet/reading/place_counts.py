"""Count the taskforces at a schedd, so that an operator sees how far its drain is."""

import asyncio
from dataclasses import dataclass

from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from schemas.fleet.documents import TASKFORCES
from schemas.fleet.phases import Phase
from wms.fleet.life.conditions import NOT_OVER, ORDERED_START, Filter

#: The filter of the taskforces whose start was called back, and whose TMS has not answered.
_CALLED_BACK: Filter = {"phase": Phase.PENDING_STOPPER, "cluster_id": None, "ended_at": None}


@dataclass(frozen=True, slots=True)
class PlaceCounts:
    """How many taskforces of a schedd wait for their start, are being started, and have workers."""

    n_waiting: int
    n_starting: int
    n_running: int


async def count_taskforces(store: Store, schedd: str) -> PlaceCounts:
    """Return how many taskforces are at `schedd`."""
    waiting: Document = {
        "$or": [
            {"phase": {"$in": [Phase.PRE_MQ_ACTIVATION, Phase.PRE_LAUNCH]}},
            {"phase": Phase.PENDING_STARTER, "asked_at": None},
        ]
    }
    starting: Document = {"$or": [ORDERED_START, _CALLED_BACK]}
    with_cluster: Document = {"phase": {"$in": [Phase.CONDOR_SUBMIT, Phase.CONDOR_RM]}}
    with_workers = {"$or": [with_cluster, {"phase": Phase.PENDING_STOPPER, "cluster_id": {"$ne": None}}]}
    running: Document = {"$and": [NOT_OVER, with_workers]}
    n_waiting, n_starting, n_running = await asyncio.gather(
        *(store.count(TASKFORCES, {"schedd": schedd, **each}) for each in (waiting, starting, running))
    )
    return PlaceCounts(n_waiting, n_starting, n_running)
