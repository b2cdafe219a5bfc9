"""Encode a user's payload as an event, and decode an event's bytes. (core)

    str    <-> text/plain, UTF-8            a task's infile holds it unchanged
    bytes  <-> application/octet-stream     likewise
    other  <-> application/json             the infile is JSON; EWMS_PILOT_INFILE_EXT should be .json

EWMS also reads the events of old message clients, and writes their format onto queues that are set to this format. The
format has JSON only, so bytes are sent as above on those queues too.
"""

import uuid
from typing import Any, NamedTuple

from schemas.broker.queue_format import Wire
from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.errors import TooLarge
from schemas.ids import EventId
from schemas.payloads import legacy_wire
from schemas.payloads.data_events import BINARY, JSON, TEXT, Header, HeaderValue
from schemas.payloads.json_text import dump_json, load_json

#: The namespace (of uuid5) for the ids of keyed events, so that they differ from every other kind of uuid5.
_KEYS = uuid.UUID("6a0d1a52-9f0e-5d0b-8f57-2d1f6f0c9e11")

#: How many characters of its key an event carries at most; a longer key is cut.
MAX_KEY_TEXT = 200


def encode_payload(payload: Any, content_type: str | None = None, wire: Wire = Wire.EWMS) -> tuple[bytes, str]:
    """Return the body and the content type ("" for none) of an event with `payload`, for a queue that is set to `wire`.

    Raises:
        TypeError: JSON cannot hold the payload.
        ValueError: the payload has NaN or an infinity, which JSON readers refuse; or `content_type` says JSON, and the
            payload is not JSON.
        Unwritable: the payload is too large for old message clients.
    """
    if isinstance(payload, bytes | bytearray | memoryview):
        return _check_json(bytes(payload), content_type or BINARY)
    if wire is Wire.LEGACY:
        return legacy_wire.encode_legacy(payload, allow_nan=False), ""
    if isinstance(payload, str):
        return _check_json(payload.encode(), content_type or TEXT)
    return dump_json(payload), content_type or JSON


def decode_body(body: bytes, content_type: str) -> Any:
    """Return the payload in `body`. If `body` does not fit `content_type`, return `body` itself.

    Raises:
        CodecMissing: the event is an old client's, and the library that unpacks it is not installed.
    """
    if legacy_wire.is_legacy(body, content_type):
        try:
            return legacy_wire.decode_legacy(body).data
        except legacy_wire.Undecodable:
            return body
    try:
        if _is_json(content_type):
            return load_json(body)
        if content_type.strip().lower().startswith("text/"):
            return body.decode()
    except ValueError:
        return body
    return body


def _is_json(content_type: str) -> bool:
    if content_type == JSON:
        return True
    kind = content_type.partition(";")[0].strip().lower()
    return kind == JSON or kind.endswith("+json")


def _check_json(body: bytes, content_type: str) -> tuple[bytes, str]:
    # Check here: a task would refuse every one of these events, and each would become a dead letter.
    if _is_json(content_type):
        load_json(body)
    return body, content_type


def event_id(queue: str, key: object | None) -> EventId | None:
    """Return the id of a new event with `key` in `queue`: always the same. Return None without a key: draw an id."""
    return None if key is None else EventId(str(uuid.uuid5(_KEYS, f"{queue}/{key!r}")))


def key_text(key: object) -> str:
    """Return `key` as text for logs and lists of failed events, cut to `MAX_KEY_TEXT` characters."""
    text = key if isinstance(key, str) else repr(key)
    return text[:MAX_KEY_TEXT].encode(errors="backslashreplace").decode()


class PreparedEvent(NamedTuple):
    """An event that is encoded and ready to be sent."""

    id: EventId
    body: bytes
    content_type: str
    headers: dict[str, HeaderValue] = {}  # noqa: RUF012 - no code changes this dictionary


def prepare_event(
    payload: Any, id_: EventId, *, key: object | None = None, content_type: str | None = None, wire: Wire = Wire.EWMS
) -> PreparedEvent:
    """Return the event `id_` with `payload`, for a queue that is set to `wire`. `key` goes into a header as text.

    Raises:
        TypeError, ValueError, Unwritable: see `encode_payload`.
        TooLarge: the event has more than `MAX_EVENT_BYTES`.
    """
    body, content_type = encode_payload(payload, content_type, wire)
    if len(body) > MAX_EVENT_BYTES:
        raise TooLarge(
            f"the event has {len(body)} bytes; the limit is {MAX_EVENT_BYTES}",
            hint="put the data into a file that tasks can reach, and send its name",
        )
    headers: dict[str, HeaderValue] = {Header.KEY.value: key_text(key)} if key is not None and wire is Wire.EWMS else {}
    return PreparedEvent(id_, body, content_type, headers)
