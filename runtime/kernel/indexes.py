"""Keep a database's indexes, even if somebody empties the database, as test suites do."""

import asyncio
from collections.abc import Mapping, Sequence

from runtime.kernel.store import Index, Store
from runtime.telemetry import log
from schemas.errors import EWMSError


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
        self._loop = asyncio.create_task(self._keep_indexes(), name="indexes")

    async def stop(self) -> None:
        """Stop looking."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _keep_indexes(self) -> None:
        while True:
            # MongoDB tells nobody that indexes are gone, short of a change stream for each database.
            await asyncio.sleep(self._interval_s)
            try:
                await self._store.ensure_indexes(self._indexes)
            except EWMSError as error:
                log.info("indexes not looked at", reason=error.reason)
            except Exception as error:  # noqa: BLE001 - the loop must outlive whatever one look may raise
                log.error("indexes not looked at", error=repr(error), exc_info=True)
