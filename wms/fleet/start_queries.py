"""Find in the database the taskforces that wait to start, and the unanswered starts.

`start_order` decides which starts next. A schedd whose TMS polls for its work has no unanswered starts.
"""

from collections.abc import Collection as Some
from datetime import datetime

from runtime.kernel.database import Reader
from runtime.kernel.decision import Document
from schemas.fleet.documents import TASKFORCES
from schemas.fleet.phases import Phase
from schemas.ids import TaskforceUuid
from wms.fleet.choices.tms_port import TmsPort
from wms.fleet.life import start_order
from wms.fleet.life.conditions import UNANSWERED_START, filter_ready


def filter_waiting(schedd: str, now: datetime, port: TmsPort, *, passed_over: Some[TaskforceUuid] = ()) -> Document:
    """Return the filter of the ready taskforces at `schedd`, without those in `passed_over`. `port` is its TMS port."""
    waiting: Document = {"schedd": schedd, **filter_ready(port, now)}
    if passed_over:
        waiting["_id"] = {"$nin": list(passed_over)}
    return waiting


async def find_unanswered(reader: Reader, schedd: str, port: TmsPort) -> list[Document]:
    """Return the unanswered starts at `schedd`, at most as many as its window has room for."""
    if not port.takes_orders:
        return []
    return await reader.find(
        TASKFORCES,
        {"schedd": schedd, **UNANSWERED_START},
        limit=port.start_window,
        projection={"n_asked": 1, "owner": 1},
    )


def count_free(unanswered: list[Document], port: TmsPort) -> int:
    """Return how many further starts may go to a schedd with the starts `unanswered`."""
    return start_order.count_free_starts((each["n_asked"] for each in unanswered), window=port.start_window)


async def count_free_at_once(reader: Reader, schedd: str, now: datetime, port: TmsPort) -> int:
    """Return how many starts may go to `schedd` without the launcher. Return 0 if any taskforce waits there."""
    if not port.takes_orders:
        waits = await reader.find(TASKFORCES, filter_waiting(schedd, now, port), limit=1, projection={"_id": 1})
        return 0 if waits else count_free([], port)
    # One more than the window has room for: if there are so many, nothing is free, whatever waits.
    found = await reader.find(
        TASKFORCES,
        {"schedd": schedd, "$or": [filter_ready(port, now), UNANSWERED_START]},
        limit=port.start_window + 1,
        projection={"phase": 1, "asked_at": 1, "n_asked": 1},
    )
    return 0 if any(map(_is_waiting, found)) else count_free(found, port)


def _is_waiting(taskforce: Document) -> bool:
    return taskforce["phase"] == Phase.PRE_LAUNCH or taskforce["asked_at"] is None
