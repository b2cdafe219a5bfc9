"""Keep who changed what and when, for all kinds of objects. Each row says it for people.

    a workflow is requested, a template changes       the change and its row are stored in one transaction
    the change is stored elsewhere, or already        `note_change` stores the row alone

A run's own log has all facts about it, and this log has what people did to it.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.decision import Document, Insert
from runtime.kernel.store import Index, Store
from schemas.engine.run_documents import COUNTERS
from wms.audit.audit_facts import AUDIT_ROWS, AuditDocument, AuditFacts

#: Rows older than this go.
KEPT_FOR = timedelta(days=365)
NEWEST_FIRST = (("_id", -1),)

INDEXES: Mapping[str, tuple[Index, ...]] = {
    AUDIT_ROWS: (
        Index(("templates", "_id")),
        Index(("organization", "_id")),
        Index(("kind", "object_id")),
        Index(("owner", "_id")),
        Index(("projects", "_id")),
        Index(("who", "_id")),
        Index(("at",), expire_after=KEPT_FOR),
    )
}


class AuditLog:
    """The changes of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def make_inserts(self, who: str, facts: Sequence[AuditFacts]) -> list[Insert]:
        """Return the rows of these changes, to store with the changes themselves."""
        if not facts:
            return []
        last = await self._store.count_up(COUNTERS, "activity", len(facts))
        first = last - len(facts) + 1
        return [self._make_insert(first + n, who, each) for n, each in enumerate(facts)]

    def _make_insert(self, number: int, who: str, facts: AuditFacts) -> Insert:
        row = AuditDocument(
            id=number,
            at=stored_now(),
            who=who,
            operation=facts.operation,
            kind=facts.kind,
            object_id=facts.object_id,
            name=facts.name,
            organization=facts.organization,
            templates=facts.templates,
            owner=facts.owner,
            projects=facts.projects,
            changes=dict(facts.changes),
        )
        document = row.model_dump()
        return Insert(AUDIT_ROWS, {"_id": document.pop("id"), **document})

    async def note_change(self, who: str, facts: AuditFacts) -> None:
        """Store the row of a change that is stored elsewhere. A crash in between leaves only one of them."""
        [insert] = await self.make_inserts(who, [facts])
        await self._store.insert_new(AUDIT_ROWS, [dict(insert.document)])

    async def list_rows(
        self, query: Mapping[str, Any], *, sort: Sequence[tuple[str, int]] = NEWEST_FIRST, skip: int = 0, limit: int
    ) -> list[AuditDocument]:
        """Return at most `limit` of the rows that match `query`, after the first `skip`."""
        found = await self._store.find(AUDIT_ROWS, query, sort=list(sort), skip=skip, limit=limit)
        return [_parse_row(each) for each in found]

    async def count_rows(self, query: Mapping[str, Any]) -> int:
        """Return how many rows match `query`."""
        return await self._store.count(AUDIT_ROWS, query)


def _parse_row(document: Document) -> AuditDocument:
    return AuditDocument.model_validate({**document, "id": document["_id"]})
