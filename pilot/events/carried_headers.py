"""Which headers of an event go on to what is made of it: those that AMQP can hold again, and a whole trace. (core)

They are of use to people and to tracing, and never worth a result: what cannot go on is left out, and the log names it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from schemas.payloads.data_events import Header, HeaderValue

#: Source: W3C Trace Context, "traceparent Header Field Values"; an id of zeros alone is none.
_TRACE = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

#: AMQP sends all headers in one frame of at most 128 KiB, our own among them.
MAX_HEADERS_BYTES = 64 * 1024
_MAX_INTEGER = 2**63


def read_trace(headers: Mapping[str, Any]) -> str:
    """Return the trace that an event belongs to, empty if it has none that can be used."""
    trace = headers.get(Header.TRACE)
    return trace if isinstance(trace, str) and _TRACE.fullmatch(trace) else ""


def has_bad_trace(headers: Mapping[str, Any]) -> bool:
    """Return whether an event says that it belongs to a trace, and names none."""
    return Header.TRACE in headers and not read_trace(headers)


def split_headers(headers: Iterable[tuple[str, Any]]) -> tuple[dict[str, HeaderValue], list[str]]:
    """Return the headers that can be sent again, and the names of the others.

    The client's library reads tables, times and bytes that are no text, and cannot write all of them.
    """
    kept: dict[str, HeaderValue] = {}
    dropped: list[str] = []
    n_bytes = 0
    for name, value in headers:
        size = _size_of(value)
        if size is None or n_bytes + len(name) + size > MAX_HEADERS_BYTES:
            dropped.append(name[:100])
            continue
        n_bytes += len(name) + size
        kept[name] = value
    return kept, dropped


def _size_of(value: Any) -> int | None:
    """Return about how many bytes `value` takes as a header, None if it cannot be one."""
    match value:
        case bool() | float():
            return 8
        case int():
            return 8 if -_MAX_INTEGER <= value < _MAX_INTEGER else None
        case str():
            try:
                return len(value.encode())
            except UnicodeEncodeError:
                return None
        case list():
            sizes = [_size_of(item) if isinstance(item, str) else None for item in value]
            return None if None in sizes else sum(size or 0 for size in sizes)
        case _:
            return None
