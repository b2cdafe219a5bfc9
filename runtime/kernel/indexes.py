"""Keep a database's indexes, even if the whole database is emptied, as test suites do."""

from collections.abc import Mapping, Sequence

from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.store import Index, Store


class IndexKeeper:
    """Creates missing indexes at intervals. To ask for an index that exists costs MongoDB nothing."""

    def __init__(self, store: Store, indexes: Mapping[str, Sequence[Index]], *, interval_s: float = 30.0) -> None:
        self._store = store
        self._indexes = indexes
        # MongoDB does not report a missing index, except by a change stream for each database.
        self._loop = BackgroundLoop(
            lambda: store.ensure_indexes(indexes),
            name="indexes",
            failed="indexes not checked",
            every_s=interval_s,
            begins_after_s=interval_s,
        )

    async def start(self) -> None:
        """Create missing indexes, and repeat that at intervals.

        Raises:
            Unavailable: the database does not answer.
        """
        await self._store.ensure_indexes(self._indexes)
        self._loop.start()

    async def stop(self) -> None:
        """Stop creating indexes."""
        await self._loop.stop()
