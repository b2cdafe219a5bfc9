"""Writes the status snapshots of taskforces. Outside of the kernel: the newest (epoch, seq) wins, nothing is logged.

A snapshot is whole, so one that is lost or overtaken does not matter. All that arrive within a second are written
together, the newest of each taskforce. What is told of a taskforce that no document knows is dropped, and its workers
are ordered to end: they would keep others waiting for their slots.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from runtime.amqp import full_jitter
from runtime.kernel.decision import Decision
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import log
from schemas.documents import Collection
from schemas.errors import EWMSError
from schemas.events import Payload, Snapshot, TaskforceStatuses
from schemas.ids import TaskforceUuid
from schemas.statuses import CompoundStatuses, TopTaskErrors
from wms.fleet.life.tms_reports import unowned
from wms.fleet.locations import ClusterMap

#: The pause between two writes: no taskforce is written more often.
_TICK_S = 1.0

_N_ERRORS = 10
_MAX_KEY = 1024
#: Of one field. More than any TMS has; no report must bring a document to the 16 MB at which MongoDB refuses it.
_MAX_FIELD_BYTES = 1024 * 1024

_RETRY_CAP_S = 10.0


class SnapshotWriter:
    """One loop over what has been offered. It sleeps until something is."""

    def __init__(self, store: Store, clusters: ClusterMap) -> None:
        self._store = store
        self._clusters = clusters
        self._pending: dict[TaskforceUuid, tuple[str, Snapshot]] = {}
        self._offered = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._write())

    async def stop(self) -> None:
        """End, with what is pending written if the store is there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._flush()
        except EWMSError as error:
            log.warning("snapshots not written", n_snapshots=len(self._pending), reason=error.reason)

    def offer(self, statuses: TaskforceStatuses) -> None:
        """Have the snapshots written soon, except those that are older than what waits already."""
        for snapshot in statuses.snapshots:
            waiting = self._pending.get(snapshot.taskforce_uuid)
            if waiting is None or _order(waiting[1]) < _order(snapshot):
                self._pending[snapshot.taskforce_uuid] = (statuses.schedd, snapshot)
        if self._pending:
            self._offered.set()

    async def _write(self) -> None:
        n_failures = 0
        while True:
            await self._offered.wait()
            self._offered.clear()
            try:
                await self._flush()
                n_failures = 0
            except Exception as error:  # noqa: BLE001 - the loop must outlive whatever one write may raise
                log.warning("snapshots wait", n_snapshots=len(self._pending), error=repr(error))
                n_failures += 1
                self._offered.set()
                await asyncio.sleep(full_jitter(n_failures, cap_s=_RETRY_CAP_S))
            # Not a poll: what comes meanwhile is written together.
            await asyncio.sleep(_TICK_S)

    async def _flush(self) -> None:
        batch = self._pending
        self._pending = {}
        try:
            n_written = await self._store.bulk_update(
                Collection.TASKFORCES, [update(schedd, snapshot) for schedd, snapshot in batch.values()]
            )
        except BaseException:
            # Newer ones may have come meanwhile; they stay.
            self._pending = {**batch, **self._pending}
            raise
        if n_written < len(batch):
            await self._notice_unknown(batch)

    async def _notice_unknown(self, batch: Mapping[TaskforceUuid, tuple[str, Snapshot]]) -> None:
        # What is not written is nearly always older than what lies there.
        known = await self._store.find(Collection.TASKFORCES, {"_id": {"$in": list(batch)}}, projection={"_id": 1})
        for uuid in batch.keys() - {document["_id"] for document in known}:
            schedd, snapshot = batch[uuid]
            log.warning("statuses of an unknown taskforce", taskforce_uuid=uuid, schedd=schedd)
            if self._clusters.hears_events(schedd):
                await self._end(uuid, unowned(schedd, snapshot))

    async def _end(self, uuid: TaskforceUuid, orders: tuple[Payload, ...]) -> None:
        async def step(tx: Transaction) -> Decision:
            is_known = await tx.find_one(Collection.TASKFORCES, {"_id": uuid}) is not None
            return Decision() if is_known else Decision(events=orders)

        await self._store.transact(step)


def update(schedd: str, snapshot: Snapshot) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the filter and the update that write `snapshot`, unless something newer lies there.

    `schedd` is who says it: nobody speaks for another's taskforces.
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
                "compound_statuses": _compound(snapshot.compound_statuses),
                "top_task_errors": dict(islice(_errors(snapshot.top_task_errors).items(), _N_ERRORS)),
                "exit_codes": snapshot.exit_codes,
                "unmatched": snapshot.unmatched[:_MAX_KEY],
                "all_bad": snapshot.all_bad,
            }
        },
    )


def replacement(
    *, compound_statuses: CompoundStatuses | None, top_task_errors: TopTaskErrors | None, now: datetime
) -> dict[str, Any]:
    """Return the update that writes what a TMS says over REST: whole fields, whatever they were; None leaves one.

    All of it is kept that a document has room for.
    """
    fields: dict[str, Any] = {"status_as_of": now}
    if compound_statuses is not None:
        fields["compound_statuses"] = _compound(compound_statuses)
    if top_task_errors is not None:
        fields["top_task_errors"] = _errors(top_task_errors)
    return {"$set": fields}


def _order(snapshot: Snapshot) -> tuple[int, int]:
    return snapshot.epoch, snapshot.seq


def _compound(statuses: CompoundStatuses) -> CompoundStatuses:
    """Return `statuses` as they are kept: from the first on, as many as there is room for."""
    kept: dict[str, dict[str, int]] = {}
    room = _MAX_FIELD_BYTES
    for job, pilots in statuses.items():
        key, keyed = _key(job), _keyed(pilots)
        room -= _bytes(key) + sum(map(_bytes, keyed))
        if room < 0:
            break
        kept[key] = keyed
    return kept


def _errors(errors: TopTaskErrors) -> TopTaskErrors:
    """Return `errors` as they are kept: the most frequent first, as many as there is room for."""
    kept: dict[str, int] = {}
    room = _MAX_FIELD_BYTES
    for text, n in sorted(_keyed(errors).items(), key=lambda item: -item[1]):
        room -= _bytes(text)
        if room < 0:
            break
        kept[text] = n
    return kept


def _bytes(key: str) -> int:
    """Return about how many bytes a document has of `key` with its count."""
    return len(key.encode()) + 16


def _keyed(counts: Mapping[str, int]) -> dict[str, int]:
    keyed: dict[str, int] = {}
    for text, n in counts.items():
        # Two long texts may differ only behind the cut: their counts belong together then.
        keyed[_key(text)] = keyed.get(_key(text), 0) + n
    return keyed


def _key(text: str) -> str:
    """Return `text` as a document's key: dots and dollars are kept by MongoDB >= 5 below the top, a NUL by none."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()[:_MAX_KEY]
