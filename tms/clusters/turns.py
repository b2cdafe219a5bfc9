"""Do one thing after another for each taskforce, in the order asked for. Different taskforces need not wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.ids import TaskforceUuid


class Turns:
    """Locks by taskforce. A taskforce has one only while some caller holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[TaskforceUuid, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold_taskforce(self, taskforce: TaskforceUuid) -> AsyncIterator[None]:
        """Hold the lock of `taskforce` for the block."""
        lock, n_users = self._locks.get(taskforce, (asyncio.Lock(), 0))
        self._locks[taskforce] = (lock, n_users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, n_users = self._locks.pop(taskforce)
            if n_users > 1:
                self._locks[taskforce] = (lock, n_users - 1)
