"""Start the taskforces that wait for their turn, whenever something has changed. `start_order` decides the order.

Some taskforces never come here. If none waits at a schedd when a workflow's queues become active, the transaction that
records the queues also starts the workflow's taskforces there.
"""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop, jittered_up_to
from runtime.kernel.decision import Document, Insert, Update
from runtime.kernel.store import Committed, Store
from runtime.telemetry import log
from runtime.tracing import continue_trace
from schemas.errors import Unavailable
from schemas.fleet.documents import TASKFORCES
from schemas.fleet.phases import Phase
from schemas.ids import TaskforceUuid
from wms.fleet import start_queries
from wms.fleet.choices.fleet_settings import FleetSettings, ReadSettings
from wms.fleet.choices.locations import LocationMap
from wms.fleet.life import start_order
from wms.fleet.life.conditions import BEFORE_SUBMISSION
from wms.fleet.taskforce_control import TaskforceControl

#: How long to pass over a taskforce after a defect of ours made its launch fail. The others must not wait for it.
_PASS_OVER = timedelta(minutes=5)

#: The longest pause after a failure, in seconds.
_LAUNCH_CAP_S = 5.0

#: For how many pairs of schedd and owner the launcher remembers the last turn.
_MAX_REMEMBERED = 10_000


class Launcher:
    """The loop that starts taskforces. It sleeps until something wakes it."""

    def __init__(
        self,
        store: Store,
        taskforces: TaskforceControl,
        locations: LocationMap,
        read_settings: ReadSettings = FleetSettings,
    ) -> None:
        """`read_settings` says which schedds operators have drained: there the launcher starts nothing."""
        self._store = store
        self._taskforces = taskforces
        self._locations = locations
        self._read_settings = read_settings
        #: The schedds where something may wait. None: the launcher has not looked yet.
        self._schedds: frozenset[str] | None = None
        self._passed_over: dict[TaskforceUuid, datetime] = {}
        #: (schedd, owner) -> number of the last turn. The latest turn is the last entry.
        self._last_turn: dict[tuple[str, str], int] = {}
        self._n_turns = 0
        self._loop = BackgroundLoop(
            self._launch_waiting,
            name="launcher",
            failed="launching pauses",
            back_off=jittered_up_to(_LAUNCH_CAP_S),
            level="info",
        )

    async def start(self) -> None:
        """Start the loop. It first looks at the taskforces that an earlier process left."""
        self._store.on_commit.append(self._on_commit)
        self._loop.start()

    async def stop(self) -> None:
        """Stop the loop. A launch under way is then either committed, or not made at all."""
        self._store.on_commit.remove(self._on_commit)
        await self._loop.stop()

    def look_soon(self) -> None:
        """Wake the loop, so that it looks for taskforces to start."""
        self._loop.wake()

    async def _find_left_out(self) -> frozenset[str]:
        """Return the schedds that no location names any more, but where taskforces still wait for their start.

        These schedds get no new taskforces. Their old taskforces still start, as long as the TMS works.
        """
        waiting = await self._store.find(
            TASKFORCES,
            {
                "schedd": {"$nin": sorted(self._locations.schedds)},
                **BEFORE_SUBMISSION,
            },
            projection={"schedd": 1},
        )
        left_out = frozenset(str(taskforce["schedd"]) for taskforce in waiting)
        if left_out:
            log.warning("taskforces wait at schedds that no location names", schedds=sorted(left_out))
        return left_out

    def _on_commit(self, committed: Committed) -> None:
        if any(_may_allow_start(change) for change in committed.changes):
            self.look_soon()

    async def _launch_waiting(self) -> None:
        if self._schedds is None:
            self._schedds = self._locations.schedds | await self._find_left_out()
        for schedd in sorted(self._schedds):
            while self._read_settings().find_drain(schedd) is None and await self._launch_at(schedd):
                pass

    async def _launch_at(self, schedd: str) -> bool:
        """Launch as many taskforces at `schedd` as its window allows. Return whether there may be more."""
        port = self._locations.find_port(schedd)
        now = utc_now()
        self._passed_over = {uuid: until for uuid, until in self._passed_over.items() if until > now}
        waiting = start_queries.filter_waiting(schedd, now, port, passed_over=self._passed_over)
        unanswered, owners = await asyncio.gather(
            start_queries.find_unanswered(self._store, schedd, port),
            self._store.distinct(TASKFORCES, "owner", waiting),
        )
        n_free = start_queries.count_free(unanswered, port)
        if not n_free:
            return False
        last_turn = {owner: self._last_turn.get((schedd, owner), -1) for owner in owners}
        under_way = Counter(taskforce["owner"] for taskforce in unanswered)
        turns = Counter(start_order.choose_owners(owners, under_way, last_turn, n_free))
        first = [taskforce for owner, n in turns.items() for taskforce in await self._find_first(owner, n, waiting)]
        for owner in turns:
            self._note_turn(schedd, owner)
        launched = await asyncio.gather(*(self._launch_one(uuid, trace) for uuid, trace in first))
        # If an owner had fewer taskforces than turns, or a taskforce has changed meanwhile, turns are left for others.
        return any(launched)

    async def _find_first(self, owner: str, n: int, waiting: Document) -> list[tuple[TaskforceUuid, str]]:
        """Return the first `n` waiting taskforces of `owner`, each with the trace of the request that made it."""
        found = await self._store.find(
            TASKFORCES,
            {"owner": owner, **waiting},
            sort=[("launch_rank", 1)],
            limit=n,
            projection={"_id": 1, "traceparent": 1},
        )
        return [(TaskforceUuid(taskforce["_id"]), taskforce.get("traceparent", "")) for taskforce in found]

    def _note_turn(self, schedd: str, owner: str) -> None:
        self._n_turns += 1
        self._last_turn.pop((schedd, owner), None)
        self._last_turn[schedd, owner] = self._n_turns
        if len(self._last_turn) > _MAX_REMEMBERED:
            del self._last_turn[next(iter(self._last_turn))]

    async def _launch_one(self, uuid: TaskforceUuid, trace: str) -> bool:
        try:
            with continue_trace(trace, "taskforce.launch"):
                return await self._taskforces.launch_taskforce(uuid)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this one, the others have their turn
            log.error("launch failed", taskforce_uuid=uuid, error=repr(error), exc_info=True)
            self._passed_over[uuid] = utc_now() + _PASS_OVER
            return False


def _may_allow_start(change: Any) -> bool:
    """Return whether `change` may have made a taskforce ready, or made room in a window."""
    if not isinstance(change, Insert | Update) or change.collection != TASKFORCES:
        return False
    if isinstance(change, Insert):
        return False
    return change.set.get("phase") == Phase.PRE_LAUNCH or ("asked_at" in change.set and change.set["asked_at"] is None)
