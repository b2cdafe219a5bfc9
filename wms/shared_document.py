"""One stored document that every WMS reads each second: what operators have set while WMS runs.

So a change reaches all processes within a second, and lasts over restarts.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel

from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.decision import Change, Decision, Document, Insert, Update
from runtime.kernel.store import Store, Transaction
from schemas.registry import Collection
from wms.audit.audit_facts import AuditFacts
from wms.audit.audit_log import AuditLog

_LOOK_S = 1.0

Value = TypeVar("Value", bound=BaseModel)


class SharedDocument(Generic[Value]):
    """The document `key` of `collection`, as a value of the model `kind`. Without a document it is `kind()`."""

    def __init__(self, store: Store, collection: Collection, key: str, kind: Callable[[], Value]) -> None:
        self._store = store
        self._collection = collection
        self._key = key
        self._empty = kind()
        self._audit = AuditLog(store)
        #: The document as this process last read it.
        self.value = self._empty
        #: Called when this process learns of a change, with the values before and after.
        self.on_change: list[Callable[[Value, Value], None]] = []
        self._loop = BackgroundLoop(self._refresh, name=key, failed=f"the {collection} are not read", every_s=_LOOK_S)

    async def start(self) -> None:
        """Read the document now, and then every second."""
        await self._refresh()
        self._loop.start()

    async def stop(self) -> None:
        """Stop reading the document."""
        await self._loop.stop()

    async def read(self) -> Value:
        """Read the document from the database, and return it."""
        await self._refresh()
        return self.value

    async def change(self, who: str, decide: Callable[[Value], tuple[Value, Sequence[AuditFacts]]]) -> Value:
        """Store what `decide` makes of the document, with the rows of the audit log that it returns. Return the
        document.

        `who` is the user's name. `decide` may be called several times.
        """

        async def step(tx: Transaction) -> Decision:
            found = await tx.find_one(self._collection, {"_id": self._key})
            before = self._parse(found)
            after, facts = decide(before)
            if after == before:
                return Decision(answer=before)
            fields = after.model_dump()
            changes: list[Change] = [
                Insert(self._collection, {"_id": self._key, **fields})
                if found is None
                else Update(self._collection, self._key, set=fields)
            ]
            changes += await self._audit.make_inserts(who, facts)
            return Decision(changes=tuple(changes), answer=after)

        after: Value = (await self._store.transact(step)).answer
        self._record(after)
        return after

    async def _refresh(self) -> None:
        self._record(self._parse(await self._store.find_one(self._collection, {"_id": self._key})))

    def _parse(self, found: Document | None) -> Value:
        return self._empty if found is None else type(self._empty).model_validate(found)

    def _record(self, after: Value) -> None:
        before, self.value = self.value, after
        if after != before:
            for listener in self.on_change:
                listener(before, after)
