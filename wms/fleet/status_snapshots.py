"""Write the status snapshots of taskforces. This is outside the kernel: the newest (epoch, seq) wins, without a log.

A snapshot holds all statuses, so a lost or overtaken one does not matter. At most once a second WMS writes the newest
snapshot of each taskforce, all in one batch. If a snapshot's taskforce has no document, WMS drops the snapshot and
orders the workers to end. Otherwise they would keep slots for which others wait. So it does with the workers of a
taskforce that ended without its TMS, because an operator said that the access point was lost.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from runtime.concurrency.loops import BackgroundLoop, jittered_up_to
from runtime.kernel.decision import Decision
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import log
from schemas.errors import EWMSError
from schemas.events import Payload, Snapshot, TaskforceStatuses
from schemas.fleet.documents import TASKFORCES
from schemas.fleet.statuses import CompoundStatuses, TopTaskErrors
from schemas.ids import TaskforceUuid
from wms.fleet.choices.locations import LocationMap
from wms.fleet.life.tms_reports import stop_unowned_workers

#: The pause between two writes, in seconds. WMS writes no taskforce more often.
_TICK_S = 1.0

#: How many errors of a snapshot WMS keeps; the contract has no more.
_N_ERRORS = 10
#: The longest key, in characters. WMS cuts longer texts.
_MAX_KEY = 1024
#: The size limit of one field: more than any TMS needs, and far less than the 16 MB of a document in MongoDB.
_MAX_FIELD_BYTES = 1024 * 1024

#: The longest pause after a failed write, in seconds.
_RETRY_CAP_S = 10.0


class SnapshotWriter:
    """The loop that writes the offered snapshots. It sleeps until a snapshot is offered."""

    def __init__(self, store: Store, locations: LocationMap) -> None:
        self._store = store
        self._locations = locations
        self._pending: dict[TaskforceUuid, tuple[str, Snapshot]] = {}
        # The loop rests after a write, so that it writes the snapshots of one second together.
        self._loop = BackgroundLoop(
            self._flush_pending,
            name="snapshot writer",
            failed="snapshots wait",
            rest_s=_TICK_S,
            back_off=jittered_up_to(_RETRY_CAP_S),
            details=lambda: {"n_snapshots": len(self._pending)},
        )

    async def start(self) -> None:
        """Begin to write."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop the loop. First write the pending snapshots, if the database answers."""
        await self._loop.stop()
        try:
            await self._flush_pending()
        except EWMSError as error:
            log.warning("snapshots not written", n_snapshots=len(self._pending), reason=error.reason)

    def offer_statuses(self, statuses: TaskforceStatuses) -> None:
        """Take snapshots, to write them within a second or two. Ignore a snapshot that is older than a pending one."""
        for snapshot in statuses.snapshots:
            waiting = self._pending.get(snapshot.taskforce_uuid)
            if waiting is None or _order_key(waiting[1]) < _order_key(snapshot):
                self._pending[snapshot.taskforce_uuid] = (statuses.schedd, snapshot)
        if self._pending:
            self._loop.wake()

    async def _flush_pending(self) -> None:
        if not self._pending:
            return
        batch = self._pending
        self._pending = {}
        try:
            n_written = await self._store.bulk_update(
                TASKFORCES, [make_snapshot_update(schedd, snapshot) for schedd, snapshot in batch.values()]
            )
        except BaseException:
            # Newer snapshots may have come meanwhile. Keep those.
            self._pending = {**batch, **self._pending}
            raise
        if n_written < len(batch):
            await self._notice_unknown(batch)
        await self._notice_ended(batch)

    async def replace_statuses(
        self,
        statuses: Mapping[str, tuple[CompoundStatuses | None, TopTaskErrors | None]],
        *,
        schedds: frozenset[str] | None,
        now: datetime,
    ) -> set[str]:
        """Write the `statuses`, by taskforce, that a TMS sent over REST. Return the ids of the taskforces that were
        written.

        Ignore taskforces at schedds that are not in `schedds` (None: all are), and at schedds whose TMS sends events.
        """
        allowed = self._locations.polling_schedds
        if schedds is not None:
            allowed &= schedds
        found = await self._store.find(
            TASKFORCES,
            {"_id": {"$in": list(statuses)}, "schedd": {"$in": sorted(allowed)}},
            projection={"_id": 1},
        )
        known = {taskforce["_id"] for taskforce in found}
        await self._store.bulk_update(
            TASKFORCES,
            [
                ({"_id": uuid}, make_replacement(compound_statuses=compound, top_task_errors=errors, now=now))
                for uuid, (compound, errors) in statuses.items()
                if uuid in known
            ],
        )
        return known

    async def _notice_unknown(self, batch: Mapping[TaskforceUuid, tuple[str, Snapshot]]) -> None:
        # Nearly always such a snapshot is only older than the stored one. Find those without a document.
        known = await self._store.find(TASKFORCES, {"_id": {"$in": list(batch)}}, projection={"_id": 1})
        for uuid in batch.keys() - {document["_id"] for document in known}:
            schedd, snapshot = batch[uuid]
            log.warning("statuses of an unknown taskforce", taskforce_uuid=uuid, schedd=schedd)
            if self._locations.find_port(schedd).takes_orders:
                await self._end_workers(uuid, stop_unowned_workers(schedd, snapshot))

    async def _notice_ended(self, batch: Mapping[TaskforceUuid, tuple[str, Snapshot]]) -> None:
        # WMS has given these up, and their TMS has come back. `ended_at` is never taken back.
        ended = await self._store.find(
            TASKFORCES, {"_id": {"$in": list(batch)}, "ended_at": {"$ne": None}}, projection={"schedd": 1}
        )
        for document in ended:
            schedd, snapshot = batch[document["_id"]]
            orders = stop_unowned_workers(schedd, snapshot)
            if orders and schedd == document["schedd"] and self._locations.find_port(schedd).takes_orders:
                log.warning("statuses of an ended taskforce", taskforce_uuid=document["_id"], schedd=schedd)
                await self._send_orders(orders)

    async def _send_orders(self, orders: tuple[Payload, ...]) -> None:
        async def step(_: Transaction) -> Decision:
            return Decision(events=orders)

        await self._store.transact(step)

    async def _end_workers(self, uuid: TaskforceUuid, orders: tuple[Payload, ...]) -> None:
        async def step(tx: Transaction) -> Decision:
            is_known = await tx.find_one(TASKFORCES, {"_id": uuid}) is not None
            return Decision() if is_known else Decision(events=orders)

        await self._store.transact(step)


#: More signals than Linux has.
_N_SIGNALS = 100


def make_snapshot_update(schedd: str, snapshot: Snapshot) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the filter and the update that write `snapshot`, unless a newer one is stored.

    The filter finds only taskforces at the sender's `schedd`, because no TMS may report on another's taskforces.
    """
    older = [
        {"status_epoch": {"$lt": snapshot.epoch}},
        {"status_epoch": snapshot.epoch, "status_seq": {"$lt": snapshot.seq}},
    ]
    return (
        {"_id": snapshot.taskforce_uuid, "schedd": schedd, "$or": older},
        {
            "$set": {
                "status_epoch": snapshot.epoch,
                "status_seq": snapshot.seq,
                "status_as_of": snapshot.as_of,
                "compound_statuses": _trim_statuses(snapshot.compound_statuses),
                "top_task_errors": dict(islice(_trim_errors(snapshot.top_task_errors).items(), _N_ERRORS)),
                "exit_codes": snapshot.exit_codes,
                "unmatched": snapshot.unmatched[:_MAX_KEY],
                "all_bad": snapshot.all_bad,
                "kills": [kills.model_dump() for kills in snapshot.kills[:_N_SIGNALS]],
                "times": snapshot.times and snapshot.times.model_dump(),
            }
        },
    )


def make_replacement(
    *, compound_statuses: CompoundStatuses | None, top_task_errors: TopTaskErrors | None, now: datetime
) -> dict[str, Any]:
    """Return the update that writes the statuses of a TMS over REST. It replaces whole fields; None changes nothing.

    If a value is too large for its field, keep its first entries, or the most frequent errors.
    """
    fields: dict[str, Any] = {"status_as_of": now}
    if compound_statuses is not None:
        fields["compound_statuses"] = _trim_statuses(compound_statuses)
    if top_task_errors is not None:
        fields["top_task_errors"] = _trim_errors(top_task_errors)
    return {"$set": fields}


def _order_key(snapshot: Snapshot) -> tuple[int, int]:
    return snapshot.epoch, snapshot.seq


def _trim_statuses(statuses: CompoundStatuses) -> CompoundStatuses:
    """Return as many of `statuses` as a field has room for, from the first on."""
    kept: dict[str, dict[str, int]] = {}
    room = _MAX_FIELD_BYTES
    for job, pilots in statuses.items():
        key, keyed = _make_key(job), _merge_keys(pilots)
        room -= _count_bytes(key) + sum(map(_count_bytes, keyed))
        if room < 0:
            break
        kept[key] = keyed
    return kept


def _trim_errors(errors: TopTaskErrors) -> TopTaskErrors:
    """Return as many of `errors` as a field has room for, the most frequent first."""
    kept: dict[str, int] = {}
    room = _MAX_FIELD_BYTES
    for text, n in sorted(_merge_keys(errors).items(), key=lambda item: -item[1]):
        room -= _count_bytes(text)
        if room < 0:
            break
        kept[text] = n
    return kept


def _count_bytes(key: str) -> int:
    """Return about how many bytes `key` and its count take in a document."""
    return len(key.encode()) + 16


def _merge_keys(counts: Mapping[str, int]) -> dict[str, int]:
    keyed: dict[str, int] = {}
    for text, n in counts.items():
        # Two long texts may differ only after the cut. Then add up their counts.
        keyed[_make_key(text)] = keyed.get(_make_key(text), 0) + n
    return keyed


def _make_key(text: str) -> str:
    """Return `text` as a key of a document. MongoDB >= 5 allows dots and dollars in inner keys; no version allows a
    NUL.
    """
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()[:_MAX_KEY]
