"""Send news about workflows as streams of events. All watchers share the work.

While anybody watches, WMS reads a followed workflow every two seconds, once for all watchers, and the list once for all
watchers with the same rights. A watcher costs only the comparison with what it knows. `feed_events` says which events
there are.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

from runtime.clock import utc_now
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from runtime.shared_work import SharedWork
from runtime.web.news.event_streams import follow_object
from runtime.web.news.sse_format import StreamEvent
from schemas.api.workflows.news import WorkflowNews
from schemas.fleet.documents import WORKFLOWS
from schemas.fleet.endings import outcome_words
from wms.fleet import repository
from wms.fleet.ownership import Access
from wms.fleet.reading.health import describe_stall
from wms.insight.feed_events import (
    NewsList,
    ProgressState,
    list_changes,
    list_progress_events,
    make_item,
    make_list,
    make_list_event,
    make_state,
)
from wms.insight.workflow_facts import collect_facts, describe_standing
from wms.insight.workflow_reader import WorkflowReader

#: The time between two looks, in seconds.
LOOK_S = 2.0
#: For how long the list shows workflows that have ended.
_SHOWN_FOR = timedelta(hours=1)
#: The most workflows of a list: the newest.
_MOST = 2_000
_FIELDS = (
    "timestamp", "priority", "deactivated", "deactivated_ts", "completion", "inputs_closed_at", "queues_active_at",
    "stalled",
)  # fmt: skip


class WorkflowFeed:
    """The streams of events about workflows."""

    def __init__(self, store: Store, reader: WorkflowReader) -> None:
        self._store = store
        self._reader = reader
        self._lists = SharedWork(kept_for_s=LOOK_S / 2)
        self._states = SharedWork(kept_for_s=LOOK_S / 2)

    def follow_workflow(self, workflow_id: str, access: Access, after: str) -> AsyncIterator[StreamEvent]:
        """Yield the state of a workflow, and again after each change, until it is over. `after` is the last id."""

        async def read_after(known: str) -> Sequence[StreamEvent]:
            # The reader checks each watcher's rights.
            seen = await self._reader.read_workflow(workflow_id, access)

            async def describe() -> ProgressState:
                return make_state(describe_standing(seen), is_over=collect_facts(seen).is_over)

            state = await self._states.find_result(seen.workflow.workflow_id, describe)
            return list_progress_events(state, known=known)

        return follow_object(read_after, after=after, wait=_wait, is_over=lambda event: event.name == "end")

    async def follow_all(self, access: Access, after: str) -> AsyncIterator[StreamEvent]:
        """Yield the list of workflows that a caller may see, then each one that changes. `after` is the last id.

        Raises:
            Unavailable: the database is away.
        """
        news = await self._list_visible(access)
        if news.id != after:
            yield make_list_event(news)
        while True:
            before = news
            await _wait()
            news = await self._list_visible(access)
            for event in list_changes(before, news):
                yield event

    async def _list_visible(self, access: Access) -> NewsList:
        key = None if access.everything else (access.subject, access.projects)
        return await self._lists.find_result(key, lambda: self._read_list(access))

    async def _read_list(self, access: Access) -> NewsList:
        documents = await self._store.find(
            WORKFLOWS,
            select_news(access, (utc_now() - _SHOWN_FOR).timestamp()),
            projection=dict.fromkeys(_FIELDS, 1),
            sort=[("cursor", -1)],
            limit=_MOST,
        )
        return make_list(make_item(_describe_news(each)) for each in documents)


def select_news(access: Access, ended_after: float) -> dict[str, Any]:
    """Return the filter of workflows that a caller may see: under way, or ended after `ended_after`."""
    recent = {"$or": [dict(repository.UNFINISHED), {"deactivated_ts": {"$gte": ended_after}}]}
    return {"$and": [access.owner_filter, recent]} if access.owner_filter else recent


def _describe_news(workflow: Document) -> WorkflowNews:
    stall = describe_stall(workflow)
    return WorkflowNews(
        workflow_id=workflow["_id"],
        timestamp=workflow["timestamp"],
        priority=workflow["priority"],
        outcome=outcome_words(workflow.get("deactivated"), workflow.get("completion")),
        ended_at=workflow.get("deactivated_ts"),
        inputs_closed=workflow.get("inputs_closed_at") is not None,
        has_queues=workflow.get("queues_active_at") is not None,
        stalled_since=None if stall is None else stall["since"],
        problems=[] if stall is None else [cause["text"] for cause in stall["causes"]],
    )


async def _wait() -> None:
    await asyncio.sleep(LOOK_S)
