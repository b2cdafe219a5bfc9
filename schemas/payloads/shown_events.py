"""Show an event to a person as JSON. (core)"""

import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.payloads.data_events import DataEvent
from schemas.payloads.json_text import dump_json
from schemas.payloads.payload_codec import decode_body

#: How many characters of a header are shown.
_MAX_HEADER = 4000


def write_event(event: DataEvent, *, whole: bool) -> bytes:
    """Return the body of `event` as JSON on one line. If `whole`, return it in an object beside its id, content type,
    attempt and headers.

    A body that is not what its content type says, or that JSON cannot hold, is shown as text.

    Raises:
        CodecMissing: the event is an existing client's, and the library that unpacks it is not installed.
    """
    body = _write_body(event)
    if not whole:
        return body
    about = {
        "id": event.id,
        "content_type": event.content_type,
        "attempt": event.attempt,
        "n_bytes": len(event.body),
        "headers": plain_headers(event.headers),
    }
    return b'%b,"body":%b}' % (dump_json(about)[:-1], body)


def _write_body(event: DataEvent) -> bytes:
    payload = decode_body(event.body, event.content_type)
    if not isinstance(payload, bytes):
        try:
            return dump_json(payload)
        except (TypeError, ValueError):
            # The event of an existing client may have NaN.
            payload = event.body
    return dump_json(payload.decode(errors="backslashreplace"))


def plain_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return AMQP headers as values that JSON can hold. Long texts are cut."""
    return {name: _plain_value(value) for name, value in headers.items()}


def _plain_value(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
        case str():
            return value.encode("utf-8", "replace").decode()[:_MAX_HEADER]
        case bytes():
            try:
                return value.decode()[:_MAX_HEADER]
            except UnicodeDecodeError:
                return f"base64:{b64encode(value[:_MAX_HEADER]).decode()}"
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(name): _plain_value(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain_value(item) for item in value]
        case _:
            return str(value)[:_MAX_HEADER]
