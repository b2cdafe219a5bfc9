"""MongoDB: the one unit of work. The only module that knows the driver.

    inbox     {_id: "<consumer>:<event id>", at, digest, answer}        a second delivery stops here
    outbox    {_id: <event id>, key, body, at, next_at, n_failures}     committed with the state, sent by the relay

`Store.transact` is the kernel's third step: inbox row, changed documents and outgoing events in one majority,
journaled transaction. Whatever the driver raises leaves here as one of the error families.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession, AsyncIOMotorDatabase
from pymongo import DeleteOne, ReadPreference, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_delay, wait_random_exponential

from runtime import tracing
from runtime.decision import (
    Change,
    Decision,
    Delete,
    Document,
    Insert,
    Repeated,
    Update,
    batches,
    filter_of,
    operators_of,
)
from runtime.failpoints import failpoint
from runtime.mongo import Index, index_model, is_duplicate, is_transient, may_commit_again, translated
from schemas.errors import Broken, Conflict, Unavailable
from schemas.events import Payload, envelope
from schemas.ids import EventId
from schemas.wire import event_to_bytes

__all__ = ["Committed", "Decision", "Delete", "Index", "Insert", "OutboxRow", "Repeated", "Step", "Store", "Update"]

INBOX = "inbox"
OUTBOX = "outbox"

#: How long an inbox row is kept: longer than any message can be away (G3, G11).
INBOX_TTL = timedelta(days=14)

#: How old an outbox row is before somebody else than its writer sends it.
OUTBOX_GRACE = timedelta(seconds=5)

#: After this time no further attempt of a contended transaction is begun. Longer than the open transaction of a
#: process that was killed keeps its documents, where MongoDB is told to give it four seconds.
_RETRY_FOR_S = 8.0

#: Building an index on what a long life has gathered takes its time.
_INDEX_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An event that is committed and not yet known to be on the broker."""

    id: EventId
    routing_key: str
    body: bytes
    n_failures: int = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """What a transaction has made true."""

    changes: tuple[Change, ...]
    outbox: tuple[OutboxRow, ...]


class Transaction:
    """What a step may read: the documents as the transaction sees them."""

    def __init__(self, store: "Store", session: AsyncIOMotorClientSession) -> None:
        self._store = store
        self.session = session

    async def find_one(
        self, collection: str, query: Mapping[str, Any], projection: Mapping[str, Any] | None = None
    ) -> Document | None:
        """Return a document that matches `query`, or None."""
        return await self._store.find_one(collection, query, tx=self, projection=projection)

    async def find(
        self,
        collection: str,
        query: Mapping[str, Any],
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Mapping[str, Any] | None = None,
    ) -> list[Document]:
        """Return the documents that match `query`; `limit` 0 is all of them."""
        return await self._store.find(collection, query, tx=self, sort=sort, limit=limit, projection=projection)

    async def count(self, collection: str, query: Mapping[str, Any]) -> int:
        """Return how many documents match `query`."""
        return await self._store.count(collection, query, tx=self)


#: Loads what it needs through the transaction and calls a pure `decide`. It may run several times.
Step = Callable[[Transaction], Awaitable[Decision]]


class _TryAgain(Exception):
    """The transaction left nothing behind and may well succeed at the next attempt."""


class _Seen(Exception):
    """The inbox has the stimulus already."""


class Store:
    """One database. Build it with `Store.connect`."""

    def __init__(self, client: "AsyncIOMotorClient[Document]", *, database: str, source: str) -> None:
        self._client = client
        self._source = source
        self._database: AsyncIOMotorDatabase[Document] = client[database]
        #: Called on the loop after every commit that changed documents or recorded events.
        self.on_commit: list[Callable[[Committed], None]] = []

    @classmethod
    async def connect(cls, url: str, *, database: str, source: str) -> Self:
        """Return the store in `database`; `source` is the CloudEvents source of the events it records.

        Raises:
            Unavailable: there is no MongoDB at `url`.
        """
        with translated():
            client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
                url,
                appname=source,
                tz_aware=True,
                tzinfo=UTC,
                w="majority",
                journal=True,
                readConcernLevel="majority",
                uuidRepresentation="standard",
                serverSelectionTimeoutMS=3000,
                connectTimeoutMS=3000,
            )
        store = cls(client, database=database, source=source)
        await store.ping()
        return store

    async def transact(
        self, step: Step, *, inbox_id: str | None = None, digest: str | None = None
    ) -> Decision | Repeated:
        """Run `step` and make its decision true, in one transaction; return it.

        With `inbox_id` a stimulus is handled once: a repetition returns `Repeated` with the first answer. Transient
        errors and lost compare-and-sets run the step again, for some seconds.

        Raises:
            Conflict: a document to insert exists, or `inbox_id` was used with another `digest`.
            Unavailable: MongoDB is away, or the contention does not end.
        """
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(_TryAgain),
                wait=wait_random_exponential(multiplier=0.02, max=1.0),
                stop=stop_after_delay(_RETRY_FOR_S),
            ):
                with attempt, translated():
                    decision, rows = await self._attempt(step, inbox_id, digest)
        except RetryError as error:
            raise Unavailable("the document is too busy") from error
        except _Seen:
            return await self._repeated(inbox_id or "", digest)
        failpoint("store.committed")
        if decision.changes or rows:
            committed = Committed(decision.changes, rows)
            for listener in self.on_commit:
                listener(committed)
        return decision

    async def _attempt(
        self, step: Step, inbox_id: str | None, digest: str | None
    ) -> tuple[Decision, tuple[OutboxRow, ...]]:
        async with await self._client.start_session() as session:
            session.start_transaction(
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern("majority", j=True),
                read_preference=ReadPreference.PRIMARY,
            )
            try:
                if inbox_id is not None:
                    await self._enter(session, inbox_id, digest)
                decision = await step(Transaction(self, session))
                await self._carry_out(session, decision.changes)
                rows = await self._record(session, decision.events)
                if inbox_id is not None and decision.answer is not None:
                    await self._database[INBOX].update_one(
                        {"_id": inbox_id}, {"$set": {"answer": decision.answer}}, session=session
                    )
                failpoint("store.before_commit")
            except BaseException as error:
                with suppress(PyMongoError):
                    await session.abort_transaction()
                if is_transient(error):
                    raise _TryAgain from error
                raise
            await self._commit(session)
            return decision, rows

    async def _enter(self, session: AsyncIOMotorClientSession, inbox_id: str, digest: str | None) -> None:
        row: Document = {"_id": inbox_id, "at": datetime.now(UTC)}
        if digest is not None:
            row["digest"] = digest
        try:
            await self._database[INBOX].insert_one(row, session=session)
        except DuplicateKeyError:
            raise _Seen from None

    async def _carry_out(self, session: AsyncIOMotorClientSession, changes: tuple[Change, ...]) -> None:
        for name, inserts, batch in batches(changes):
            try:
                if inserts:
                    documents = [dict(change.document) for change in batch if isinstance(change, Insert)]
                    await self._database[name].insert_many(documents, session=session)
                else:
                    await self._change(session, name, batch)
            except BulkWriteError as error:
                if is_duplicate(error):
                    raise Conflict(f"it exists already in {name}") from error
                raise

    async def _change(self, session: AsyncIOMotorClientSession, name: str, batch: list[Change]) -> None:
        operations: list[UpdateOne | DeleteOne] = []
        updates: list[Update] = []
        for change in batch:
            match change:
                case Update():
                    updates.append(change)
                    operations.append(UpdateOne(filter_of(change), operators_of(change)))
                case Delete():
                    operations.append(DeleteOne(filter_of(change)))
        result = await self._database[name].bulk_write(operations, session=session)
        if result.matched_count != len(updates):
            if any(update.rev is not None for update in updates):
                raise _TryAgain(f"a document in {name} has moved on")
            raise Broken(f"a document to update is not in {name}")

    async def _record(self, session: AsyncIOMotorClientSession, events: tuple[Payload, ...]) -> tuple[OutboxRow, ...]:
        if not events:
            return ()
        now = datetime.now(UTC)
        rows = tuple(self._outbox_row(payload, now) for payload in events)
        await self._database[OUTBOX].insert_many(
            [
                {
                    "_id": row.id,
                    "key": row.routing_key,
                    "body": row.body,
                    "at": now,
                    "next_at": now + OUTBOX_GRACE,
                    "n_failures": 0,
                }
                for row in rows
            ],
            session=session,
        )
        return rows

    def _outbox_row(self, payload: Payload, now: datetime) -> OutboxRow:
        event = envelope(
            payload,
            event_id=EventId(str(uuid.uuid4())),
            source=self._source,
            time=now,
            traceparent=tracing.traceparent(),
        )
        return OutboxRow(event.id, event.routing_key, event_to_bytes(event))

    async def _commit(self, session: AsyncIOMotorClientSession) -> None:
        for n_left in (3, 2, 1, 0):
            try:
                await session.commit_transaction()
            except PyMongoError as error:
                # Nobody knows whether it was committed; committing again is safe and tells.
                if n_left and may_commit_again(error):
                    continue
                if is_transient(error):
                    raise _TryAgain from error
                raise
            else:
                return

    async def _repeated(self, inbox_id: str, digest: str | None) -> Repeated:
        row = await self.find_one(INBOX, {"_id": inbox_id})
        if row is None:
            # The row that stopped us belonged to a transaction that was then aborted, or has just expired.
            raise Unavailable("the same request is being handled")
        if digest is not None and row.get("digest") != digest:
            raise Conflict("the same key was used for another request")
        return Repeated(row.get("answer"))

    async def find_one(
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        tx: Transaction | None = None,
        projection: Mapping[str, Any] | None = None,
    ) -> Document | None:
        """Return a document that matches `query`, or None."""
        with translated(within=tx):
            found: Document | None = await self._database[collection].find_one(
                query, projection, session=tx.session if tx else None
            )
            return found

    async def find(
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        tx: Transaction | None = None,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Mapping[str, Any] | None = None,
        max_time_ms: int | None = None,
    ) -> list[Document]:
        """Return the documents that match `query`; `limit` 0 is all of them."""
        with translated(within=tx):
            cursor = self._database[collection].find(query, projection, session=tx.session if tx else None)
            if sort:
                cursor = cursor.sort(list(sort))
            if limit:
                cursor = cursor.limit(limit)
            if max_time_ms is not None:
                cursor = cursor.max_time_ms(max_time_ms)
            documents: list[Document] = await cursor.to_list(None)
            return documents

    async def count(self, collection: str, query: Mapping[str, Any], *, tx: Transaction | None = None) -> int:
        """Return how many documents match `query`."""
        with translated(within=tx):
            n: int = await self._database[collection].count_documents(query, session=tx.session if tx else None)
            return n

    async def bulk_update(self, collection: str, updates: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> int:
        """Apply (query, update) pairs in any order, outside of the kernel; return how many documents changed."""
        if not updates:
            return 0
        with translated():
            operations = [UpdateOne(dict(query), dict(update)) for query, update in updates]
            result = await self._database[collection].bulk_write(operations, ordered=False)
            return result.modified_count

    async def bulk_delete(self, collection: str, ids: Sequence[Any]) -> int:
        """Delete the documents of these ids, outside of the kernel; return how many there were."""
        if not ids:
            return 0
        with translated():
            result = await self._database[collection].delete_many({"_id": {"$in": list(ids)}})
            return result.deleted_count

    async def ensure_indexes(self, indexes: Mapping[str, Sequence[Index]]) -> None:
        """Create the indexes that are missing, those of the inbox and the outbox among them."""
        kernel = {INBOX: [Index(("at",), expire_after=INBOX_TTL)], OUTBOX: [Index(("next_at",))]}
        with translated(patience_s=_INDEX_PATIENCE_S):
            for collection, wanted in {**indexes, **kernel}.items():
                await self._database[collection].create_indexes([index_model(index) for index in wanted])

    async def ping(self) -> None:
        """Return if a primary answers.

        Raises:
            Unavailable: none does.
        """
        with translated():
            await self._client.admin.command("ping")

    async def close(self) -> None:
        """Close the connections."""
        self._client.close()
        # The driver's monitors end on their own threads; give the loop a turn to see it.
        await asyncio.sleep(0)
