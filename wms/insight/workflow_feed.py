"""Send news about workflows as streams of events. All watchers share the work.

While anybody watches, WMS reads a followed workflow every two seconds, once for all watchers. It reads, compares and
encodes the list once for all watchers with the same rights: such a watcher costs only the sending of shared bytes.
`feed_events` says which events there are.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from runtime.clock import utc_now
from runtime.concurrency.shared_work import SharedWork
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from runtime.web.news.event_streams import follow_object
from runtime.web.news.shared_feed import SharedFeed
from runtime.web.news.sse_format import StreamEvent, format_event, format_events
from schemas.api.workflows.news import WorkflowNews
from schemas.fleet.documents import WORKFLOWS
from schemas.fleet.endings import outcome_words
from wms.fleet import repository
from wms.fleet.ownership import Access
from wms.fleet.reading.health import describe_stall
from wms.insight.feed_events import (
    NewsItem,
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
        #: By the rights of the watchers.
        self._lists: dict[Hashable, SharedFeed[NewsList]] = {}
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

    async def follow_all(self, access: Access, after: str) -> AsyncIterator[bytes]:
        """Yield the list of workflows that a caller may see, then each one that changes, as the bytes of a stream.
        `after` is the last id.

        Raises:
            Unavailable: the database is away.
        """
        key = None if access.everything else (access.subject, access.projects)
        feed = self._lists.get(key)
        if feed is None or feed.is_over:
            feed = self._lists[key] = self._make_feed(access)
        try:
            async with aclosing(feed.follow_state(after)) as parts:
                async for part in parts:
                    yield part
        finally:
            if feed.is_over and self._lists.get(key) is feed:
                del self._lists[key]

    def _make_feed(self, access: Access) -> SharedFeed[NewsList]:
        return SharedFeed(
            NewsReader(self._store, access).read_list,
            encode_whole=lambda news: format_event(make_list_event(news)),
            encode_change=lambda before, news: format_events(list_changes(before, news)),
            pause_s=LOOK_S,
        )


class NewsReader:
    """Reads the list of workflows that a caller may see. It describes and encodes only those that have changed."""

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access
        #: What was read of each workflow of the last list, and how it was told.
        self._last: dict[str, tuple[Document, NewsItem]] = {}

    async def read_list(self) -> NewsList:
        """Return the list as it is now.

        Raises:
            Unavailable: the database is away.
        """
        documents = await self._store.find(
            WORKFLOWS,
            select_news(self._access, (utc_now() - _SHOWN_FOR).timestamp()),
            projection=dict.fromkeys(_FIELDS, 1),
            sort=[("cursor", -1)],
            limit=_MOST,
        )
        self._last = {each["_id"]: (each, self._find_item(each)) for each in documents}
        return make_list(item for _, item in self._last.values())

    def _find_item(self, workflow: Document) -> NewsItem:
        last = self._last.get(workflow["_id"])
        if last is not None and last[0] == workflow:
            return last[1]
        return make_item(_describe_news(workflow))


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
