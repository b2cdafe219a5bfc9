"""Make the events of streams about workflows. (core)

    one workflow    workflow: how far it is, the whole answer of /progress        end: it is over, the stream ends
    all             list: all that the caller may see, under way and just ended   workflow: one that has changed
                    gone: one that left the list

The id of an event names what the client knows after it. A client that comes back with that id gets only what is new:
nothing, or the whole state at once. So no event is ever missed, and none has to be stored.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from runtime.web.news.sse_format import StreamEvent
from schemas.api.workflows.explanation import WorkflowStanding
from schemas.api.workflows.news import WorkflowNews

_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ProgressState:
    """How far a workflow is, ready to send. All watchers share it."""

    data: str
    #: The id of an event after which a client knows `data`.
    id: str
    is_over: bool


@dataclass(frozen=True, slots=True)
class NewsItem:
    """A workflow of the list as JSON. All watchers share it."""

    workflow_id: str
    data: str
    digest: str


@dataclass(frozen=True, slots=True)
class NewsList:
    """A list of workflows, ready to send. All watchers with the same rights share it."""

    items: tuple[NewsItem, ...]
    #: The id of an event after which a client knows all `items`.
    id: str


def name_state(data: str) -> str:
    """Return the id of an event after which a client knows `data`."""
    return hashlib.sha256(data.encode()).hexdigest()[:_ID_DIGITS]


def make_state(standing: WorkflowStanding, *, is_over: bool) -> ProgressState:
    """Return how far a workflow is, ready to send."""
    data = standing.model_dump_json()
    return ProgressState(data, name_state(data), is_over)


def list_progress_events(state: ProgressState, *, known: str) -> list[StreamEvent]:
    """Return the events for a client that knows the state `known`."""
    events = [] if state.id == known else [StreamEvent(state.data, id=state.id, name="workflow")]
    return [*events, StreamEvent("{}", id=state.id, name="end")] if state.is_over else events


def make_item(news: WorkflowNews) -> NewsItem:
    """Return a workflow of the list, ready to send."""
    data = news.model_dump_json()
    return NewsItem(news.workflow_id, data, name_state(data))


def make_list(items: Iterable[NewsItem]) -> NewsList:
    """Return the list of `items`, ready to send."""
    listed = tuple(items)
    return NewsList(listed, name_state(json.dumps([item.digest for item in listed])))


def make_list_event(news: NewsList) -> StreamEvent:
    """Return the event with the whole list."""
    data = ",".join(item.data for item in news.items)
    return StreamEvent(f'{{"workflows":[{data}]}}', id=news.id, name="list")


def list_changes(before: NewsList, news: NewsList) -> list[StreamEvent]:
    """Return the events for a client that knows the list `before`."""
    if before.id == news.id:
        return []
    known = {item.workflow_id: item.digest for item in before.items}
    events = [
        StreamEvent(item.data, id=news.id, name="workflow")
        for item in news.items
        if known.get(item.workflow_id) != item.digest
    ]
    here = {item.workflow_id for item in news.items}
    events += [
        StreamEvent(json.dumps({"workflow_id": gone}), id=news.id, name="gone") for gone in known if gone not in here
    ]
    # A client that is cut off among these events must get the whole list, so only the last one has the new id.
    return [StreamEvent(event.data, name=event.name) for event in events[:-1]] + events[-1:]
