"""Run blocks with the same key one after the other, or some at a time, in the order of arrival.

The key is the workflow in WMS and MQS, and the taskforce in TMS. Blocks with different keys do not wait.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """Locks by key. A key has a lock only while a caller holds the lock or waits for it.

    In WMS and MQS the compare-and-set on `rev` keeps a document correct even without these locks. The locks keep the
    order of a TMS's reports, and avoid transactions that would lose the compare-and-set.
    """

    def __init__(self, n_at_once: int = 1) -> None:
        """Let `n_at_once` blocks with the same key run at a time."""
        self._n_at_once = n_at_once
        self._locks: dict[Hashable, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def hold_turn(self, key: Hashable) -> AsyncIterator[None]:
        """Run the block after all earlier blocks with the same `key` have ended, or all but `n_at_once` - 1 of them."""
        lock, n_users = self._locks.get(key, (asyncio.Semaphore(self._n_at_once), 0))
        self._locks[key] = (lock, n_users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, n_users = self._locks.pop(key)
            if n_users > 1:
                self._locks[key] = (lock, n_users - 1)
