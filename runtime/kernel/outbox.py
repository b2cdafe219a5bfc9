"""The outbox: the store commits effects together with the state, and the relay then carries them out.

outbox    {_id: <event id>, kind, key, body, at, next_at, n_failures, content_type, headers}
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from runtime import tracing
from runtime.kernel.decision import Document, Effect, EventToPublish
from schemas.events import Fact, build_event
from schemas.ids import EventId
from schemas.wire import EVENT_CONTENT_TYPE, event_to_bytes

OUTBOX = "outbox"

#: Only after this time may another process than the writer send an outbox row.
OUTBOX_GRACE = timedelta(seconds=5)


class EffectKind(StrEnum):
    """The kind of effect of an outbox row, which decides its carrier."""

    TELL = "tell"
    STATE = "state"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A committed effect that the broker has not confirmed yet."""

    id: EventId
    kind: EffectKind
    #: For an event to publish, the queue's mqid.
    routing_key: str
    body: bytes
    n_failures: int = 0
    content_type: str = EVENT_CONTENT_TYPE
    headers: Mapping[str, Any] = field(default_factory=dict)


def parse_row(document: Document) -> OutboxRow:
    """Return the outbox row in `document`. Without a kind (older version) the row is an order to a service."""
    return OutboxRow(
        EventId(document["_id"]),
        EffectKind(document.get("kind", EffectKind.TELL)),
        document["key"],
        bytes(document["body"]),
        int(document.get("n_failures", 0)),
        document.get("content_type", EVENT_CONTENT_TYPE),
        document.get("headers", {}),
    )


def row_to_document(row: OutboxRow, now: datetime, *, grace: timedelta) -> Document:
    """Return the document of `row`. During `grace` only the relay of the process that wrote the row sends it."""
    document: Document = {
        "_id": row.id,
        "kind": row.kind.value,
        "key": row.routing_key,
        "body": row.body,
        "at": now,
        "next_at": now + grace,
        "n_failures": 0,
    }
    if row.kind is EffectKind.PUBLISH:
        document |= {"content_type": row.content_type, "headers": row.headers}
    return document


def make_row(effect: Effect, now: datetime, *, source: str) -> OutboxRow:
    """Return a new row for `effect`, with a new id. `source` is the CloudEvents source."""
    event_id = EventId(str(uuid.uuid4()))
    if isinstance(effect, EventToPublish):
        return OutboxRow(
            event_id,
            EffectKind.PUBLISH,
            effect.mqid,
            effect.body,
            content_type=effect.content_type,
            headers=dict(effect.headers),
        )
    event = build_event(
        effect,
        event_id=event_id,
        source=source,
        time=now,
        traceparent=tracing.current_traceparent(),
    )
    kind = EffectKind.STATE if isinstance(effect, Fact) else EffectKind.TELL
    return OutboxRow(event.id, kind, event.routing_key, event_to_bytes(event))
