"""Choose the headers that go from an event to its outputs and its dead letter. (core)

A dead letter keeps each header that AMQP can carry again. An output keeps only a valid trace. A result matters more
than headers: the pilot leaves out a header that AMQP cannot carry, and logs the header's name.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.attempts.trace_context import read_traceparent
from schemas.payloads.data_events import Header, HeaderValue

#: The most bytes that carried headers may have. AMQP sends all headers in one frame of at most 128 KiB.
MAX_HEADERS_BYTES = 64 * 1024
_MAX_INTEGER = 2**63


def read_trace(headers: Mapping[str, Any]) -> str:
    """Return the W3C `traceparent` of an event. Return "" if the event has no trace or an invalid one."""
    trace = headers.get(Header.TRACE)
    return trace if isinstance(trace, str) and read_traceparent(trace) is not None else ""


def has_bad_trace(headers: Mapping[str, Any]) -> bool:
    """Return whether an event has a trace header that is not valid."""
    return Header.TRACE in headers and not read_trace(headers)


def split_headers(headers: Iterable[tuple[str, Any]]) -> tuple[dict[str, HeaderValue], list[str]]:
    """Return the headers that can be sent again, and the names of the other headers.

    The AMQP library can read some tables, times and bytes that it cannot write. `MAX_HEADERS_BYTES` limits the sum.
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
    """Return about how many bytes the header value takes. Return None if AMQP cannot carry the value."""
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
