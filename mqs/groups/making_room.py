"""Make room for waiting workflows: delete as many idle queues of ended workflows as they need.

A queue is idle if two checks, `Rules.settle` apart, find it empty and without a consumer. MQS needs two checks, because
the broker's counts of unacknowledged events are some seconds old.
"""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta

from mqs.groups import repository
from mqs.groups.admission import Shortage
from mqs.groups.queue_owners import owner_of
from mqs.groups.requests import Groups
from mqs.groups.yielding import find_candidates
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.store import Store
from runtime.telemetry import counter, log
from schemas.ids import WorkflowId

_gave_way = counter("mqs_queues_gave_way_total", "Idle queues of ended workflows deleted because a workflow waited.")

#: How many groups one round looks at. Each round begins with the workflows that ended first.
_N_LOOKED_AT = 200


class RoomMaker:
    """The loop that makes room. `QueueLedger.on_shortage` wakes it."""

    def __init__(self, store: Store, groups: Groups, *, settle: timedelta) -> None:
        self._store = store
        self._groups = groups
        self._settle_s = settle.total_seconds()
        self._loop = BackgroundLoop(
            self._make_room_once, name="room", failed="could not make room for waiting workflows"
        )
        groups.ledger.on_shortage = self._loop.wake

    def start(self) -> None:
        """Begin to make room whenever a group needs some."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop the loop. This cancels a deletion that is under way."""
        await self._loop.stop()

    async def make_room(self) -> int:
        """Delete idle queues for waiting groups. Return the number of deleted queues.

        Raises:
            Unavailable: the broker or the database does not answer.
        """
        n_gone = 0
        for shortage in await self._groups.ledger.find_shortages():
            n_gone += await self._relieve_shortage(shortage)
        if n_gone:
            _gave_way.inc(n_gone)
            log.info("deleted idle queues of ended workflows, because a workflow waits", n_queues=n_gone)
            await self._groups.reconsider_waiting()
        return n_gone

    async def _relieve_shortage(self, shortage: Shortage) -> int:
        carrier = self._groups.carrier
        retiring = await repository.find_retiring(self._store)
        owners = {name: owner_of(group) for name, group in retiring.items()}
        idle: dict[WorkflowId, Collection[str]] = {}
        for name in find_candidates(retiring, owners, shortage)[:_N_LOOKED_AT]:
            if found := await carrier.find_idle(name):
                idle[name] = found
            if _n_queues(idle) >= shortage.n_queues:
                break
        if not idle:
            return 0
        await asyncio.sleep(self._settle_s)
        n_gone = 0
        for name, before in idle.items():
            n_gone += await carrier.remove_idle(name, before)
        return n_gone

    async def _make_room_once(self) -> None:
        await self.make_room()


def _n_queues(idle: Mapping[WorkflowId, Collection[str]]) -> int:
    return sum(map(len, idle.values()))
