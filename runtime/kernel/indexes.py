"""Keep a database's indexes, even if somebody empties the database, as test suites do."""

import asyncio
from collections.abc import Mapping, Sequence

from runtime.kernel.store import Index, Store
from runtime.loops import repeat_forever


class IndexKeeper:
    """Creates missing indexes at intervals. Asking for existing ones costs MongoDB nothing."""

    def __init__(self, store: Store, indexes: Mapping[str, Sequence[Index]], *, interval_s: float = 30.0) -> None:
        self._store = store
        self._indexes = indexes
        self._interval_s = interval_s
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Create missing indexes, and go on looking.

        Raises:
            Unavailable: there is no database.
        """
        await self._store.ensure_indexes(self._indexes)
        # MongoDB reports no missing index, short of a change stream for each database.
        self._loop = asyncio.create_task(
            repeat_forever(
                lambda: self._store.ensure_indexes(self._indexes),
                every_s=self._interval_s,
                failed="indexes not looked at",
                begins_with_pause=True,
            ),
            name="indexes",
        )

    async def stop(self) -> None:
        """Stop looking."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
