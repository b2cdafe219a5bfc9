"""Make the events of streams about workflows. (core)

    one workflow    workflow: how far it is, the whole answer of /progress        end: it is over, the stream ends
    all             list: all that the caller may see, under way and just ended   workflow: one that has changed
                    gone: one that left the list

The id of an event names what the client knows after it. A client that comes back with that id gets only what is new:
nothing, or the whole state at once. So no event is ever missed, and none has to be stored.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runtime.web.sse_format import StreamEvent
from schemas.api.explanation import WorkflowStanding
from schemas.api.workflow_list import WorkflowNews

_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class NewsItem:
    """A workflow of the list as JSON, and who may see it. All watchers share it."""

    workflow_id: str
    owner: str
    projects: tuple[str, ...]
    data: str
    digest: str


def name_state(data: str) -> str:
    """Return the id of an event after which a client knows `data`."""
    return hashlib.sha256(data.encode()).hexdigest()[:_ID_DIGITS]


def list_progress_events(standing: WorkflowStanding, *, is_over: bool, known: str) -> list[StreamEvent]:
    """Return the events for a client that knows the state `known`."""
    data = standing.model_dump_json()
    place = name_state(data)
    events = [] if place == known else [StreamEvent(data, id=place, name="workflow")]
    return [*events, StreamEvent("{}", id=place, name="end")] if is_over else events


def make_item(news: WorkflowNews, *, owner: str, projects: Sequence[str]) -> NewsItem:
    """Return a workflow of the list, ready to send."""
    data = news.model_dump_json()
    return NewsItem(news.workflow_id, owner, tuple(projects), data, name_state(data))


def name_list(items: Sequence[NewsItem]) -> str:
    """Return the id of an event after which a client knows all `items`."""
    return name_state(json.dumps([item.digest for item in items]))


def make_list_event(items: Sequence[NewsItem]) -> StreamEvent:
    """Return the event with the whole list."""
    return StreamEvent(f'{{"workflows":[{",".join(item.data for item in items)}]}}', id=name_list(items), name="list")


def list_changes(before: Mapping[str, str], items: Sequence[NewsItem]) -> list[StreamEvent]:
    """Return the events for a client that knows the workflows `before`: the digests by the workflows' ids."""
    place = name_list(items)
    events = [
        StreamEvent(item.data, id=place, name="workflow")
        for item in items
        if before.get(item.workflow_id) != item.digest
    ]
    here = {item.workflow_id for item in items}
    events += [
        StreamEvent(json.dumps({"workflow_id": gone}), id=place, name="gone") for gone in before if gone not in here
    ]
    # A client that is cut off among these events must get the whole list, so only the last one has the new id.
    return [StreamEvent(event.data, name=event.name) for event in events[:-1]] + events[-1:]
