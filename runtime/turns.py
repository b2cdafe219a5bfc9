"""Take turns by key: work with the same key runs one after the other, in the order of arrival.

WMS and MQS take turns by workflow, TMS by taskforce. Work with different keys does not wait.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """Locks by key. A key has a lock only while a caller holds it or waits for it.

    In WMS and MQS the compare-and-set on `rev` keeps a document correct even without turns. Turns keep the order of a
    TMS's reports, and avoid transactions that would lose the compare-and-set.
    """

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold_turn(self, key: Hashable) -> AsyncIterator[None]:
        """Run the block after every earlier block of `key` has ended."""
        lock, n_users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, n_users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, n_users = self._locks.pop(key)
            if n_users > 1:
                self._locks[key] = (lock, n_users - 1)
