"""The slow loop that heals what no event heals: indexes that are gone, queues without a workflow."""

import asyncio
from datetime import UTC, datetime

from mqs import repository
from mqs.broker import Broker
from mqs.orphans import Patience, doomed_orphans, swept
from runtime.decision import Change, Decision
from runtime.store import Store
from runtime.telemetry import counter, log
from schemas.errors import EWMSError

_deleted = counter("mqs_orphans_deleted_total", "Queues deleted that belonged to no workflow.")


class Sweeper:
    """Compares the broker with the documents, at intervals."""

    def __init__(self, store: Store, broker: Broker, *, patience: Patience, interval_s: float) -> None:
        self._store = store
        self._broker = broker
        self._patience = patience
        self._interval_s = interval_s
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep; the first time after one interval, since a start does the same itself."""
        self._loop = asyncio.create_task(self._run(), name="sweep")

    async def stop(self) -> None:
        """Stop sweeping."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def sweep(self) -> None:
        """Sweep once.

        Raises:
            Unavailable: the broker or the database is away.
        """
        await self._store.ensure_indexes(repository.INDEXES)
        await self._orphans()

    async def _orphans(self) -> None:
        # The broker first: a queue is only ever created after its document.
        counts = await self._broker.all_counts()
        known = await repository.queues_known(self._store)
        seen = await repository.orphans_seen(self._store)
        now = datetime.now(UTC)
        n_events = {queue: count.n_events for queue, count in counts.items()}
        sweep = swept(n_events, known, seen, now=now, patience=self._patience)
        if changes := repository.remembered(sweep, now):
            await self._store.transact(lambda _: _decided(changes))
        if sweep.delete:
            # Those figures were some seconds old.
            exact = await self._broker.counts(sweep.delete)
            n_events = {queue: count.n_events for queue, count in exact.items()}
            gone = swept(n_events, known, seen, now=now, patience=self._patience).delete
            await self._broker.remove(doomed_orphans(gone))
            _deleted.inc(len(gone))
            log.warning("queues deleted that belonged to no workflow", queues=gone)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.sweep()
            except EWMSError as error:
                log.warning("not swept", reason=error.reason)
            except Exception:  # noqa: BLE001 - nobody else would heal what this loop heals
                log.exception("not swept")


async def _decided(changes: tuple[Change, ...]) -> Decision:
    return Decision(changes)
