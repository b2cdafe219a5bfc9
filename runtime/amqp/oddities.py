"""Read events with invalid properties: a text that is not UTF-8, a time after the year 9999.

A publisher can write any bytes into properties, and the broker does not check them. The library raises an error at such
bytes, and the connection ends with all events on loan. That repeats at every delivery of such an event. Source: pamqp
4.0, module `decode`: texts and names of headers raise UnicodeDecodeError; times in microseconds raise ValueError,
OverflowError or OSError.
"""

from datetime import datetime
from typing import Any

from pamqp import decode

_METHODS: dict[str, Any] = decode.METHODS
_short_str, _timestamp, _table = _METHODS["shortstr"], _METHODS["timestamp"], _METHODS["table"]
_TIMESTAMP_BYTES = 8
_LENGTH_BYTES = 4


def read_short_str(value: bytes) -> tuple[int, str]:
    """Return how many bytes a text takes, and the text. Bytes that are not UTF-8 become escapes (`\\xff`)."""
    try:
        read: tuple[int, str] = _short_str(value)
        return read
    except UnicodeDecodeError:
        length = value[0]
        return length + 1, value[1 : length + 1].decode(errors="backslashreplace")


def read_timestamp(value: bytes) -> tuple[int, datetime | None]:
    """Return how many bytes a time takes, and the time. The time is None if Python cannot represent it."""
    try:
        read: tuple[int, datetime] = _timestamp(value)
        return read
    except (ValueError, OverflowError, OSError):
        if len(value) < _TIMESTAMP_BYTES:
            raise
        return _TIMESTAMP_BYTES, None


def read_table(value: bytes) -> tuple[int, dict[str, Any]]:
    """Return how many bytes headers take, and the headers. In names, bytes that are not UTF-8 become escapes."""
    try:
        read: tuple[int, dict[str, Any]] = _table(value)
        return read
    except UnicodeDecodeError:
        end = _LENGTH_BYTES + int.from_bytes(value[:_LENGTH_BYTES], "big")
    at, table = _LENGTH_BYTES, {}
    while at < end:
        n_name, name = read_short_str(value[at:end])
        n_value, table[name] = decode.embedded_value(value[at + n_name : end])
        at += n_name + n_value
    return end, table


def accept_odd_properties() -> None:
    """Make the library read properties and headers with the functions of this module, in the whole process."""
    _METHODS.update(shortstr=read_short_str, timestamp=read_timestamp, table=read_table)
    decode.TABLE_MAPPING.update({b"T": read_timestamp, b"F": read_table})
