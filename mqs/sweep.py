"""Repair at intervals what events do not repair: lost indexes, queues without a workflow, limits of pilots that have
ended.
"""

from datetime import datetime, timedelta

from mqs.broker.data_vhost import DataVhost
from mqs.broker.orphans import Patience, orphan_deletion, plan_sweep
from mqs.groups import repository
from mqs.tokens.user_limits import UserLimits
from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.decision import Change, Decision
from runtime.kernel.store import Store
from runtime.telemetry import counter, log
from schemas.ids import WorkflowId

_deleted = counter("mqs_orphans_deleted_total", "Queues deleted that belonged to no workflow.")


class Sweeper:
    """Compares the broker with the documents at intervals."""

    def __init__(
        self,
        store: Store,
        broker: DataVhost,
        limits: UserLimits,
        *,
        patience: Patience,
        pilot_life: timedelta,
        interval_s: float,
    ) -> None:
        self._store = store
        self._broker = broker
        self._limits = limits
        self._pilot_life = pilot_life
        #: Workflows that are over but whose pilots have a limit -> since when this process has known that.
        self._over_since: dict[WorkflowId, datetime] = {}
        self._patience = patience
        self._loop = BackgroundLoop(
            self.sweep_once,
            name="sweep",
            failed="the sweep of the broker failed",
            every_s=interval_s,
            begins_after_s=interval_s,
        )

    def start(self) -> None:
        """Begin to sweep. The first sweep comes after one interval, because MQS does the same work at its start."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop sweeping."""
        await self._loop.stop()

    async def sweep_once(self) -> None:
        """Repair everything once.

        Raises:
            Unavailable: the broker or the database does not answer.
        """
        await self._store.ensure_indexes(repository.INDEXES)
        await self._sweep_orphans()
        await self._forget_pilots()

    async def _forget_pilots(self) -> None:
        limited = await self._limits.workflows_with_pilots()
        over = await repository.find_over(self._store, limited) if limited else set()
        now = utc_now()
        self._over_since = {workflow_id: self._over_since.get(workflow_id, now) for workflow_id in over}
        # The last token can still open connections until it expires.
        await self._limits.forget_pilots([one for one, at in self._over_since.items() if now - at > self._pilot_life])

    async def _sweep_orphans(self) -> None:
        # Ask the broker first: MQS creates a queue only after its document.
        counts = await self._broker.count_all()
        known = await repository.find_known_queues(self._store)
        seen = await repository.find_orphans(self._store)
        now = utc_now()
        n_events = {queue: count.n_events for queue, count in counts.items()}
        sweep = plan_sweep(n_events, known, seen, now=now, patience=self._patience)
        if changes := repository.orphan_changes(sweep, now):
            await self._store.transact(lambda _: _decide_changes(changes))
        if sweep.delete:
            # These counts are some seconds old, so count again.
            exact = await self._broker.count_queues(sweep.delete)
            n_events = {queue: count.n_events for queue, count in exact.items()}
            gone = plan_sweep(n_events, known, seen, now=now, patience=self._patience).delete
            await self._broker.remove_queues(orphan_deletion(gone))
            _deleted.inc(len(gone))
            log.warning("deleted queues that belonged to no workflow", queues=gone)


async def _decide_changes(changes: tuple[Change, ...]) -> Decision:
    return Decision(changes)
