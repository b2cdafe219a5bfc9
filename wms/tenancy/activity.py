"""Keep who changed what and when: templates, nodes, roles, labels, launches, decisions. Each row says it for people.

A change of a template, or a launch, is stored with its row in one transaction. A job's own log has all facts about it.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.decision import Document, Insert
from runtime.kernel.store import Index, Store
from schemas.run_documents import COUNTERS
from wms.tenancy.activity_facts import ACTIVITY, ActivityDocument, ActivityFacts

#: Rows older than this go.
KEPT_FOR = timedelta(days=365)

INDEXES: Mapping[str, tuple[Index, ...]] = {
    ACTIVITY: (
        Index(("templates", "_id")),
        Index(("organization", "_id")),
        Index(("kind", "object_id")),
        Index(("at",), expire_after=KEPT_FOR),
    )
}


class ActivityLog:
    """The changes of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def make_inserts(self, who: str, facts: Sequence[ActivityFacts]) -> list[Insert]:
        """Return the rows of these changes, to store with the changes themselves."""
        if not facts:
            return []
        last = await self._store.count_up(COUNTERS, "activity", len(facts))
        first = last - len(facts) + 1
        return [self._make_insert(first + n, who, each) for n, each in enumerate(facts)]

    def _make_insert(self, number: int, who: str, facts: ActivityFacts) -> Insert:
        row = ActivityDocument(
            id=number,
            at=stored_now(),
            who=who,
            operation=facts.operation,
            kind=facts.kind,
            object_id=facts.object_id,
            name=facts.name,
            organization=facts.organization,
            templates=facts.templates,
            changes=dict(facts.changes),
        )
        document = row.model_dump()
        return Insert(ACTIVITY, {"_id": document.pop("id"), **document})

    async def note_change(self, who: str, facts: ActivityFacts) -> None:
        """Store the row of a change that is stored already. A crash in between leaves no row."""
        [insert] = await self.make_inserts(who, [facts])
        await self._store.insert_new(ACTIVITY, [dict(insert.document)])

    async def list_rows(
        self, query: Mapping[str, Any], *, sort: Sequence[tuple[str, int]], skip: int, limit: int
    ) -> tuple[list[ActivityDocument], int]:
        """Return at most `limit` of the rows that match `query`, after the first `skip`, and how many match in all."""
        found = await self._store.find(ACTIVITY, query, sort=list(sort), skip=skip, limit=limit)
        return [_parse_row(each) for each in found], await self._store.count(ACTIVITY, query)


def _parse_row(document: Document) -> ActivityDocument:
    return ActivityDocument.model_validate({**document, "id": document["_id"]})
