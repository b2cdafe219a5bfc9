"""Work on one taskforce is done one piece after another, in the order asked for; different ones do not wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.ids import TaskforceUuid


class Turns:
    """A lock for each taskforce that somebody works on, and none for the others."""

    def __init__(self) -> None:
        self._locks: dict[TaskforceUuid, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, taskforce: TaskforceUuid) -> AsyncIterator[None]:
        """Hold `taskforce` for the length of the block."""
        lock, n_users = self._locks.get(taskforce, (asyncio.Lock(), 0))
        self._locks[taskforce] = (lock, n_users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, n_users = self._locks.pop(taskforce)
            if n_users > 1:
                self._locks[taskforce] = (lock, n_users - 1)
