"""Take turns per key: WMS handles what concerns one workflow one at a time, in the order of arrival."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class WorkflowTurns:
    """Locks by key that exist only while somebody holds or awaits them.

    The compare-and-set on `rev` keeps an aggregate right without this. Turns keep the order of a TMS's reports, and
    avoid transactions that would lose the compare-and-set.
    """

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold_turn(self, key: str) -> AsyncIterator[None]:
        """Run the block once every earlier block of `key` has ended."""
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
