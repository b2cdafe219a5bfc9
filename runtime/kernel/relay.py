"""Send outbox rows to the broker, each by the carrier of its kind, and delete them after the broker's confirm.

The relay sends a row from memory immediately after its commit. A sweep finds rows that remain after a crash or an
outage of the broker. A claim prevents two replicas from sending the same row. If two still send it, the receiver's
inbox drops the second event. A row that finds no queue waits longer after each attempt, and does not delay other rows.
"""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import timedelta

from runtime.amqp import full_jitter
from runtime.bus.service_bus import Bus
from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop, jittered_up_to
from runtime.failpoints import failpoint
from runtime.kernel.carriers import Carrier, bus_carriers
from runtime.kernel.decision import Document
from runtime.kernel.outbox import OUTBOX, EffectKind, OutboxRow, parse_row
from runtime.kernel.store import Committed, Store
from runtime.telemetry import counter, fresh_gauge, gauge, log
from schemas.errors import Broken, EWMSError
from schemas.ids import EventId

_sent = counter("outbox_sent_total", "Events sent from the outbox, by finder: commit or sweep.", ["found_by"])
_failed = counter("outbox_failures_total", "Attempts to send an outbox row that failed.")
_oldest = fresh_gauge("outbox_oldest_seconds", "Age of the oldest event in the outbox; 0 if it is empty.")
_backlog = gauge("outbox_sending", "Outbox rows that this process is sending.")

#: How often the sweep looks for rows left behind.
_SWEEP_S = 3.0
_BATCH = 100

#: After this time another process may claim the row: the process with the claim has probably crashed.
_CLAIM = timedelta(seconds=30)

#: The longest pause between two attempts at an event that finds no queue, in seconds.
_BACKOFF_CAP_S = 60.0

#: The pause before the relay deletes confirmed rows, all at once: until then the receivers of the events need the
#: database more. A workflow's events until its jobs wait take about 0.1 s, so one deletion is enough for all of them.
#: The pause must stay far below `OUTBOX_GRACE`.
_DELETE_AFTER_S = 0.5

#: The maximum number of rows in memory. The sweep sends the others later.
_MAX_SENDING = 1000


class Relay:
    """Sends the outbox rows of `store` over `bus`, until `stop`."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        *,
        carriers: Mapping[EffectKind, Carrier] | None = None,
        sweep_s: float = _SWEEP_S,
    ) -> None:
        """`carriers` carry out the effects that do not go over `bus`.

        Every `sweep_s` seconds the relay looks for rows that another process did not send.
        """
        self._carriers = {**bus_carriers(bus), **(carriers or {})}
        self._store = store
        self._bus = bus
        self._me = uuid.uuid4().hex
        self._sending: dict[EventId, asyncio.Task[None]] = {}
        self._confirmed: list[EventId] = []
        self._sweeping = BackgroundLoop(
            self._sweep_once,
            name="relay sweep",
            failed="outbox not swept",
            every_s=sweep_s,
            back_off=jittered_up_to(15.0),
        )
        self._deleting = BackgroundLoop(
            self._delete_confirmed,
            name="relay delete",
            failed="sent events not deleted yet",
            details=lambda: {"n_events": len(self._confirmed)},
        )

    def start(self) -> None:
        """Send the rows that an earlier process did not send, and then the rows of every commit."""
        self._store.on_commit.append(self._on_commit)
        self._bus.on_connected.append(self._sweeping.wake)
        self._sweeping.start()
        self._deleting.start()

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """Finish sending for at most `grace_s` seconds. Rows that are not sent stay in the outbox."""
        self._store.on_commit.remove(self._on_commit)
        self._bus.on_connected.remove(self._sweeping.wake)
        await self._sweeping.stop()
        if self._sending:
            _, late = await asyncio.wait(self._sending.values(), timeout=grace_s)
            for task in late:
                task.cancel()
        await self._deleting.stop()
        await asyncio.gather(*self._sending.values(), return_exceptions=True)
        try:
            await self._store.bulk_delete(OUTBOX, self._confirmed)
        except EWMSError as error:
            # A relay will send them once more, and the receivers drop the repetition.
            log.info("sent events stay in the outbox", n_events=len(self._confirmed), reason=error.reason)

    def _on_commit(self, committed: Committed) -> None:
        failpoint("relay.committed")
        for row in committed.outbox:
            if len(self._sending) < _MAX_SENDING:
                self._begin_sending(row, found_by="commit")

    def _begin_sending(self, row: OutboxRow, *, found_by: str) -> None:
        if row.id in self._sending:
            return
        task = asyncio.create_task(self._send_row(row, found_by))
        self._sending[row.id] = task
        task.add_done_callback(lambda _: self._end_sending(row.id))
        _backlog.set(len(self._sending))

    def _end_sending(self, event_id: EventId) -> None:
        del self._sending[event_id]
        _backlog.set(len(self._sending))

    async def _send_row(self, row: OutboxRow, found_by: str) -> None:
        try:
            await self._carry_out(row)
        except EWMSError as error:
            await self._put_off(row, error)
            return
        except Exception as error:  # noqa: BLE001 - a row that cannot be sent must not vanish with its task
            await self._put_off(row, Broken(repr(error)))
            return
        failpoint("relay.published")
        _sent.labels(found_by).inc()
        self._confirmed.append(row.id)
        self._deleting.wake()

    async def _carry_out(self, row: OutboxRow) -> None:
        carrier = self._carriers.get(row.kind)
        if carrier is None:
            raise Broken(f"this process has no carrier for effects of the kind {row.kind.value!r}")
        await carrier(row)

    async def _put_off(self, row: OutboxRow, error: EWMSError) -> None:
        _failed.inc()
        wait_s = full_jitter(row.n_failures, base_s=2.0, cap_s=_BACKOFF_CAP_S)
        log.warning(
            "event stays in the outbox",
            event_id=row.id,
            routing_key=row.routing_key,
            reason=error.reason,
            n_failures=row.n_failures + 1,
        )
        later = utc_now() + timedelta(seconds=wait_s)
        try:
            await self._store.bulk_update(
                OUTBOX,
                [
                    (
                        {"_id": row.id},
                        {"$set": {"next_at": later, "last_error": error.reason}, "$inc": {"n_failures": 1}},
                    )
                ],
            )
        except EWMSError as store_error:
            # The claim expires by itself, and then the sweep finds the row.
            log.info("outbox not updated", event_id=row.id, reason=store_error.reason)

    async def _delete_confirmed(self) -> float | None:
        if not self._confirmed:
            return None
        await asyncio.sleep(_DELETE_AFTER_S)
        # All that are confirmed now: after a pause for each batch, busy hours would leave rows until others send them.
        n_left = len(self._confirmed)
        while n_left:
            batch = self._confirmed[: min(n_left, _MAX_SENDING)]
            await self._store.bulk_delete(OUTBOX, batch)
            del self._confirmed[: len(batch)]
            n_left -= len(batch)
        return 0.0 if self._confirmed else None

    async def _sweep_once(self) -> None:
        await self._measure_age()
        # While the broker is away, each row would only wait for its timeout. `on_connected` wakes this loop later.
        while self._bus.is_connected:
            rows = await self._claim_due_rows()
            await self._send_all(rows)
            if len(rows) < _BATCH:
                break

    async def _measure_age(self) -> None:
        try:
            oldest = await self._store.find(
                OUTBOX, {}, sort=[("at", 1)], limit=1, projection={"at": 1}, max_time_ms=2000
            )
        except EWMSError as error:
            # The metric disappears, and the sweep goes on.
            log.info("the age of the outbox is not known", reason=error.reason)
            return
        _oldest.set_value(max(0.0, (utc_now() - oldest[0]["at"]).total_seconds()) if oldest else 0.0)

    async def _send_all(self, rows: list[OutboxRow]) -> None:
        for row in rows:
            self._begin_sending(row, found_by="sweep")
        if waiting := [task for row in rows if (task := self._sending.get(row.id)) is not None]:
            await asyncio.wait(waiting)

    async def _claim_due_rows(self) -> list[OutboxRow]:
        """Claim due rows for this process, and return them."""
        now = utc_now()
        due: Document = {"next_at": {"$lte": now}}
        found = await self._store.find(
            OUTBOX, due, sort=[("next_at", 1)], limit=_BATCH, projection={"_id": 1}, max_time_ms=2000
        )
        ids = [row["_id"] for row in found if row["_id"] not in self._sending]
        if not ids:
            return []
        claim = {"$set": {"next_at": now + _CLAIM, "claimed_by": self._me}}
        await self._store.bulk_update(OUTBOX, [({"_id": event_id, **due}, claim) for event_id in ids])
        mine = await self._store.find(OUTBOX, {"_id": {"$in": ids}, "claimed_by": self._me})
        return [parse_row(row) for row in mine]
