"""Publish events onto a public queue over REST, and look at the events in one."""

from typing import Annotated, Any

from pydantic import Field

from schemas.api.fields import Name
from schemas.fleet.objects import Object

#: The most events of one request to publish, and the most bytes of its body. The body is JSON, so a line with many
#: quotes takes up to twice its bytes there; one event of 4 MiB has room.
MAX_EVENTS_AT_ONCE = 10_000
MAX_PUBLISH_BYTES = 9 * 1024 * 1024

#: The most events of one look, and the most bytes of their bodies together. The first event may have more.
MAX_EVENTS_SHOWN = 100
MAX_SHOWN_BYTES = 1024 * 1024

#: The same for a download.
MAX_EVENTS_DOWNLOADED = 1000
MAX_DOWNLOAD_BYTES = 8 * 1024 * 1024


class PublishRequest(Object):
    """The body of POST /workflows/{id}/queues/{mqid}/events: JSON lines. Each line becomes an event."""

    lines: Annotated[
        str,
        Field(
            description="One JSON value on each line. Empty lines are skipped. At most "
            f"{MAX_EVENTS_AT_ONCE} events a request."
        ),
    ]
    key: Annotated[
        Name | None,
        Field(description="The field of each line that identifies the event, as `--key` of `ewms queue publish`."),
    ] = None


class EventsPublished(Object):
    """The answer of POST /workflows/{id}/queues/{mqid}/events. The broker has confirmed all events."""

    workflow_id: str
    mqid: str
    alias: str
    n_published: int
    event_ids: Annotated[list[str], Field(description="The ids of the events, in the order of the lines.")]


class EventShown(Object):
    """One event that waits in a queue."""

    id: Annotated[str, Field(description="The event's id; empty if its client set none.")]
    content_type: Annotated[str, Field(description="Empty for an event of an existing message client.")]
    attempt: Annotated[int, Field(description="The number of its next delivery, from 1.")]
    n_bytes: Annotated[int, Field(description="The event's size.")]
    headers: dict[str, Any]
    body: Annotated[Any, Field(description="The payload; bytes that are neither JSON nor text come as a text.")]


class EventsShown(Object):
    """The answer of GET /workflows/{id}/queues/{mqid}/events. All events stay in the queue."""

    workflow_id: str
    mqid: str
    alias: str
    is_cut: Annotated[bool, Field(description="Whether the answer lacks events because of its limit of bytes.")]
    events: list[EventShown]
