"""Convert the properties of an event to the bytes of its content header, and back.

Source: AMQP 0-9-1 specification, 4.2.6.1: flags say which properties follow, in a fixed order.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Any, Protocol

from pamqp import encode
from pamqp.commands import Basic

from runtime.amqp.oddities import read_table
from runtime.amqp.wire.frames import short_text

_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _DELIVERY_MODE, _PRIORITY = 0x8000, 0x4000, 0x2000, 0x1000, 0x0800
_CORRELATION_ID, _REPLY_TO, _EXPIRATION, _MESSAGE_ID = 0x0400, 0x0200, 0x0100, 0x0080
_TIMESTAMP, _TYPE, _USER_ID = 0x0040, 0x0020, 0x0010
_TABLE_LENGTH = Struct(">I")
_TIMESTAMP_BYTES = 8
_PERSISTENT, _PASSING = b"\x02", b"\x01"


@dataclass(frozen=True, slots=True)
class EventProperties:
    """The properties of an event that we publish. Empty properties are left out.

    A broker that restarts loses events that are not persistent, except in quorum queues.
    """

    message_id: str
    content_type: str = ""
    headers: dict[str, Any] | None = None
    user_id: str = ""
    correlation_id: str = ""
    is_persistent: bool = True

    def encode(self) -> bytes:
        """Return the bytes of the properties for a content header.

        Raises:
            Rejected: a text is longer than AMQP allows.
            TypeError, ValueError: AMQP cannot hold a header.
        """
        flags, parts = _DELIVERY_MODE | _MESSAGE_ID, []
        if self.content_type:
            flags |= _CONTENT_TYPE
            parts.append(short_text(self.content_type, "the content type"))
        if self.headers:
            flags |= _HEADERS
            parts.append(encode.field_table(self.headers))
        parts.append(_PERSISTENT if self.is_persistent else _PASSING)
        if self.correlation_id:
            flags |= _CORRELATION_ID
            parts.append(short_text(self.correlation_id, "the correlation id"))
        parts.append(short_text(self.message_id, "the event's id"))
        if self.user_id:
            flags |= _USER_ID
            parts.append(short_text(self.user_id, "the user's name"))
        return b"%b%b" % (flags.to_bytes(2, "big"), b"".join(parts))

    def to_library(self) -> Basic.Properties:
        """Return the library's object with these properties."""
        return Basic.Properties(
            content_type=self.content_type or None,
            delivery_mode=2 if self.is_persistent else 1,
            message_id=self.message_id,
            headers=self.headers or None,
            correlation_id=self.correlation_id or None,
            user_id=self.user_id or None,
        )


class ReadProperties(Protocol):
    """The properties of an event that we read. The library's own object has them too."""

    @property
    def content_type(self) -> str | None:
        """The content type; None if the sender gave none. The same holds for the others."""
        ...

    @property
    def headers(self) -> dict[str, Any] | None:
        """The headers."""
        ...

    @property
    def correlation_id(self) -> str | None:
        """The id that an answer repeats."""
        ...

    @property
    def reply_to(self) -> str | None:
        """The address for an answer."""
        ...

    @property
    def message_id(self) -> str | None:
        """The event's id."""
        ...

    @property
    def user_id(self) -> str | None:
        """The sender's user name."""
        ...


class DecodedProperties:
    """The properties of an event, decoded from the bytes of its content header; the headers when they are read.

    This takes a fifth of the library's time, which decodes all properties into a checked object.
    """

    __slots__ = ("_headers", "_table", "content_type", "correlation_id", "message_id", "reply_to", "user_id")

    def __init__(self, encoded: bytes) -> None:
        """`encoded` is the part of the content header after the body's size: flags, then the properties in order."""
        self.content_type: str | None = None
        self.correlation_id: str | None = None
        self.reply_to: str | None = None
        self.message_id: str | None = None
        self.user_id: str | None = None
        self._table = b""
        self._headers: dict[str, Any] | None = None
        flags, at = encoded[0] << 8 | encoded[1], 2
        if flags & _CONTENT_TYPE:
            at, self.content_type = _read_text(encoded, at)
        if flags & _CONTENT_ENCODING:
            at += 1 + encoded[at]
        if flags & _HEADERS:
            end = at + _TABLE_LENGTH.size + _TABLE_LENGTH.unpack_from(encoded, at)[0]
            self._table, at = encoded[at:end], end
        if flags & _DELIVERY_MODE:
            at += 1
        if flags & _PRIORITY:
            at += 1
        if flags & _CORRELATION_ID:
            at, self.correlation_id = _read_text(encoded, at)
        if flags & _REPLY_TO:
            at, self.reply_to = _read_text(encoded, at)
        if flags & _EXPIRATION:
            at += 1 + encoded[at]
        if flags & _MESSAGE_ID:
            at, self.message_id = _read_text(encoded, at)
        if flags & _TIMESTAMP:
            at += _TIMESTAMP_BYTES
        if flags & _TYPE:
            at += 1 + encoded[at]
        if flags & _USER_ID:
            at, self.user_id = _read_text(encoded, at)

    @property
    def headers(self) -> dict[str, Any] | None:
        """The headers."""
        if self._table:
            self._headers = read_table(self._table)[1]
            self._table = b""
        return self._headers


def _read_text(encoded: bytes, at: int) -> tuple[int, str]:
    end = at + 1 + encoded[at]
    text = encoded[at + 1 : end]
    try:
        return end, text.decode()
    except UnicodeDecodeError:
        return end, text.decode(errors="backslashreplace")
