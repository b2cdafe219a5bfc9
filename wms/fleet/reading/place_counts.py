"""Count the taskforces at a schedd, so that an operator sees how far its drain is."""

import asyncio
from dataclasses import dataclass

from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from schemas.fleet.documents import TASKFORCES
from schemas.fleet.phases import Phase
from wms.fleet.life.conditions import NOT_OVER

_WITH_WORKERS = (Phase.CONDOR_SUBMIT, Phase.PENDING_STOPPER, Phase.CONDOR_RM)


@dataclass(frozen=True, slots=True)
class PlaceCounts:
    """How many taskforces of a schedd wait for their start, are being started, and have workers."""

    n_waiting: int
    n_starting: int
    n_running: int


async def count_taskforces(store: Store, schedd: str) -> PlaceCounts:
    """Return how many taskforces are at `schedd`."""
    ordered: Document = {"phase": Phase.PENDING_STARTER, "asked_at": {"$ne": None}}
    waiting: Document = {
        "$or": [
            {"phase": {"$in": [Phase.PRE_MQ_ACTIVATION, Phase.PRE_LAUNCH]}},
            {"phase": Phase.PENDING_STARTER, "asked_at": None},
        ]
    }
    running: Document = {"$and": [NOT_OVER, {"phase": {"$in": list(_WITH_WORKERS)}}]}
    n_waiting, n_starting, n_running = await asyncio.gather(
        *(store.count(TASKFORCES, {"schedd": schedd, **each}) for each in (waiting, ordered, running))
    )
    return PlaceCounts(n_waiting, n_starting, n_running)
