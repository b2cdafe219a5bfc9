"""Take turns per key: what concerns one workflow is handled one at a time, in the order of arrival."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Locks by key that exist only while somebody holds or awaits them.

    The compare-and-set on `rev` keeps an aggregate right without this. Turns keep the order in which a TMS said
    things, and spare the transactions that would lose the compare-and-set.
    """

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Run the block when every earlier one of `key` has ended."""
        lock, n_users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, n_users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, n_users = self._locks[key]
            if n_users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, n_users - 1)
