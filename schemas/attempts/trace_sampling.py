"""Choose the events that are traced although they do not fail. (core)

A *family* is an event that no task made (its *root*) and all events that tasks made from it. A family is traced as a
whole or not at all: the root decides, and each event of a traced family names the root in a header.

    root without the header ──hash──► not traced: no header, so no worker looks again at the events made from it
                             └──────► traced: x-ewms-root is on all events made from it

EWMS's own publishers set the header on their first events, so small workflows are traced completely. For all other
roots, publishers and workers compute the same hash.
"""

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from schemas.ids import EventId
from schemas.payloads.data_events import Header, HeaderValue

#: A root is traced if the CRC-32 of its id (in UTF-8) is divisible by this number.
DEFAULT_ONE_IN = 1000
#: How many of its first events a publisher marks.
N_FIRST = 20

#: The longest id of a root, in characters.
MAX_ROOT = 256

# `find_root` looks at each event. A plain text is looked up in half the time of a member of the enumeration.
_ROOT, _PARENT = Header.ROOT.value, Header.PARENT.value

_MAX_UNIX_MS = 10**14


def is_sampled(event_id: str, one_in: int) -> bool:
    """Return whether the hash chooses the root `event_id`. It chooses about one in `one_in`; with 0 it chooses none."""
    return one_in > 0 and event_id != "" and zlib.crc32(event_id.encode("utf-8", "replace")) % one_in == 0


def find_root(event_id: EventId, headers: Mapping[str, Any], one_in: int) -> EventId:
    """Return the root of the family of a traced event. Return "" if the event is not traced.

    With `one_in` 0, no event is traced.
    """
    if one_in <= 0:
        return EventId("")
    root = headers.get(_ROOT)
    if isinstance(root, str) and root:
        return EventId(root[:MAX_ROOT])
    return event_id if _PARENT not in headers and is_sampled(event_id, one_in) else EventId("")


def is_marked_by_publisher(event_id: str, n_before: int, one_in: int) -> bool:
    """Return whether a publisher marks a new root that it sends after `n_before` other events.

    With `one_in` 0, it marks no event.
    """
    return one_in > 0 and (n_before < N_FIRST or is_sampled(event_id, one_in))


def mark_headers(root: EventId, now: datetime) -> dict[str, HeaderValue]:
    """Return the headers that mark an event of the family of `root` that is published `now`."""
    return {Header.ROOT.value: root, Header.SENT_AT.value: round(now.timestamp() * 1000)}


def read_sent_at(headers: Mapping[str, Any]) -> datetime | None:
    """Return when a traced event was published. Return None if its headers do not tell."""
    sent_ms = headers.get(Header.SENT_AT)
    if not isinstance(sent_ms, int) or isinstance(sent_ms, bool) or not 0 < sent_ms < _MAX_UNIX_MS:
        return None
    return datetime.fromtimestamp(sent_ms / 1000, UTC)
