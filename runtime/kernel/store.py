"""The store commits, in one transaction, the changes that a stimulus causes and the events about them.

    inbox     {_id: "<consumer>:<event id>", at, digest, answer}        a second delivery stops here
    outbox    see `runtime.kernel.outbox`                                the relay sends it after the commit

`Store.transact` writes the inbox row, the changed documents and the outgoing events in one transaction, which is
journaled on a majority of the database's members. This module converts the driver's errors to our error families.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from pymongo import DeleteOne, ReadPreference, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_delay, wait_random_exponential

from runtime.clock import utc_now
from runtime.failpoints import failpoint
from runtime.kernel.database import Client, Database, Session, Transaction, make_client
from runtime.kernel.decision import (
    Change,
    Decision,
    Delete,
    Document,
    Effect,
    EventToPublish,
    Insert,
    Repeated,
    Update,
    batch_changes,
    change_filter,
    update_operators,
)
from runtime.kernel.mongo import Index, is_duplicate, is_transient, may_commit_again, translate_errors
from runtime.kernel.outbox import OUTBOX, OUTBOX_GRACE, OutboxRow, make_row, row_to_document
from runtime.once import Once
from schemas.errors import Broken, Conflict, Unavailable

__all__ = [
    "Committed",
    "Decision",
    "Delete",
    "EventToPublish",
    "Index",
    "Insert",
    "Repeated",
    "Step",
    "Store",
    "Transaction",
    "Update",
]

INBOX = "inbox"

#: How long an inbox row stays: longer than any event can be on its way (G3, G11).
INBOX_TTL = timedelta(days=14)

#: After this time no further attempt at a contended transaction begins. A killed process's open transaction locks its
#: documents for a shorter time: MongoDB's settings end such a transaction after four seconds.
_RETRY_FOR_S = 8.0


@dataclass(frozen=True, slots=True)
class Committed:
    """What a transaction has committed."""

    changes: tuple[Change, ...]
    outbox: tuple[OutboxRow, ...]


#: Reads documents through the transaction and calls a pure `decide`. It may run several times.
Step = Callable[[Transaction], Awaitable[Decision]]


class _TryAgain(Exception):
    """The transaction changed nothing, and the next attempt may succeed."""


class _AlreadyTaken(Exception):
    """The inbox has a row for this stimulus already."""


class Store(Database):
    """One database, with transactions of decisions. Open it by `Store.connect`."""

    def __init__(self, client: Client, *, database: str, source: str, outbox_grace: timedelta) -> None:
        super().__init__(client, database)
        self._source = source
        self._outbox_grace = outbox_grace
        #: Called on the event loop after every commit that changed documents or recorded events.
        self.on_commit: list[Callable[[Committed], None]] = []

    @classmethod
    async def connect(cls, url: str, *, database: str, source: str, outbox_grace: timedelta = OUTBOX_GRACE) -> Self:
        """Connect to the database, and return its store. `source` is the CloudEvents source of its events.

        During `outbox_grace` only this process's relay sends the events that this store records. After that another
        process may, because this process may be dead.

        Raises:
            Unavailable: no MongoDB answers at `url`.
        """
        with translate_errors():
            client = make_client(url, appname=source)
        store = cls(client, database=database, source=source, outbox_grace=outbox_grace)
        await store.ping()
        return store

    async def transact(
        self,
        step: Step,
        *,
        inbox_id: str | None = None,
        digest: str | None = None,
        once: Once | None = None,
    ) -> Decision | Repeated:
        """Run `step`, commit its decision in one transaction, and return the decision.

        With `inbox_id`, or with `once`, the store handles a stimulus once: a repetition returns `Repeated` with the
        first answer. After transient errors and lost compare-and-sets the step runs again, for at most 8 s.

        Raises:
            Conflict: a document to insert exists already, or `inbox_id` came before with another `digest`.
            Unavailable: MongoDB is away, or other requests keep changing the same document.
            Rejected: the database cannot store a value of the decision.
            Broken: a document to update does not exist.
        """
        if once is not None:
            inbox_id, digest = once.inbox_id, once.digest
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(_TryAgain),
                wait=wait_random_exponential(multiplier=0.02, max=1.0),
                stop=stop_after_delay(_RETRY_FOR_S),
            ):
                with attempt, translate_errors():
                    decision, rows = await self._try_once(step, inbox_id, digest)
        except RetryError as error:
            raise Unavailable("too many requests change this document at once; try again") from error
        except _AlreadyTaken:
            return await self._find_first_answer(inbox_id or "", digest)
        failpoint("store.committed")
        if decision.changes or rows:
            committed = Committed(decision.changes, rows)
            for listener in self.on_commit:
                listener(committed)
            # Let the relay send first: the receivers of the events wait for them already.
            await asyncio.sleep(0)
        return decision

    async def _try_once(
        self,
        step: Step,
        inbox_id: str | None,
        digest: str | None,
    ) -> tuple[Decision, tuple[OutboxRow, ...]]:
        async with self._client.start_session() as session:
            await session.start_transaction(
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern("majority", j=True),
                read_preference=ReadPreference.PRIMARY,
            )
            try:
                if inbox_id is not None:
                    await self._enter_inbox(session, inbox_id, digest)
                decision = await step(Transaction(self, session))
                await self._carry_out(session, decision.changes)
                rows = await self._record_effects(session, decision.events)
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
            await self._commit_session(session)
            return decision, rows

    async def _enter_inbox(self, session: Session, inbox_id: str, digest: str | None) -> None:
        row: Document = {"_id": inbox_id, "at": utc_now()}
        if digest is not None:
            row["digest"] = digest
        try:
            await self._database[INBOX].insert_one(row, session=session)
        except DuplicateKeyError:
            raise _AlreadyTaken from None

    async def _carry_out(self, session: Session, changes: tuple[Change, ...]) -> None:
        for name, inserts, batch in batch_changes(changes):
            try:
                if inserts:
                    documents = [dict(change.document) for change in batch if isinstance(change, Insert)]
                    await self._database[name].insert_many(documents, session=session)
                else:
                    await self._change_documents(session, name, batch)
            except BulkWriteError as error:
                if is_duplicate(error):
                    raise Conflict(f"it exists already in {name}") from error
                raise

    async def _change_documents(self, session: Session, name: str, batch: list[Change]) -> None:
        operations: list[UpdateOne | DeleteOne] = []
        updates: list[Update] = []
        for change in batch:
            match change:
                case Update():
                    updates.append(change)
                    operations.append(UpdateOne(change_filter(change), update_operators(change)))
                case Delete():
                    operations.append(DeleteOne(change_filter(change)))
        result = await self._database[name].bulk_write(operations, session=session)
        if result.matched_count != len(updates):
            if any(update.rev is not None for update in updates):
                raise _TryAgain(f"a document in {name} has moved on")
            raise Broken(f"a document to update is not in {name}")

    async def _record_effects(self, session: Session, events: tuple[Effect, ...]) -> tuple[OutboxRow, ...]:
        if not events:
            return ()
        now = utc_now()
        rows = tuple(make_row(effect, now, source=self._source) for effect in events)
        documents = [row_to_document(row, now, grace=self._outbox_grace) for row in rows]
        await self._database[OUTBOX].insert_many(documents, session=session)
        return rows

    async def _commit_session(self, session: Session) -> None:
        for n_left in (3, 2, 1, 0):
            try:
                await session.commit_transaction()
            except PyMongoError as error:
                # The outcome of the commit is unknown. Another commit is safe, and its answer shows the outcome.
                if n_left and may_commit_again(error):
                    continue
                if is_transient(error):
                    raise _TryAgain from error
                raise
            else:
                return

    async def _find_first_answer(self, inbox_id: str, digest: str | None) -> Repeated:
        repeated = await self.find_repeated(inbox_id, digest)
        if repeated is None:
            # The row that stopped us came from a transaction that was aborted later, or the row has just expired.
            raise Unavailable("the same request is already in work; try again")
        return repeated

    async def find_repeated(self, inbox_id: str, digest: str | None = None) -> Repeated | None:
        """Return the first answer to a stimulus that was handled before. Return None if the stimulus is new.

        Raises:
            Conflict: `inbox_id` came before with another `digest`.
        """
        row = await self.find_one(INBOX, {"_id": inbox_id})
        if row is None:
            return None
        if digest is not None and row.get("digest") != digest:
            raise Conflict("an earlier, different request used the same key")
        return Repeated(row.get("answer"))

    async def ensure_indexes(self, indexes: Mapping[str, Sequence[Index]]) -> None:
        """Create the missing indexes, also those of the inbox and the outbox."""
        kernel = {INBOX: [Index(("at",), expire_after=INBOX_TTL)], OUTBOX: [Index(("next_at",)), Index(("at",))]}
        await super().ensure_indexes({**indexes, **kernel})
