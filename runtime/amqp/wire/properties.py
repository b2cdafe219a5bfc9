"""Convert the properties of an event to the bytes of its content header, and back.

Source: AMQP 0-9-1 specification, 4.2.6.1: flags say which properties follow, in a fixed order.
"""

from dataclasses import dataclass
from typing import Any

from pamqp import encode
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from runtime.amqp.wire.frames import short_text

_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE = 0x8000, 0x2000, 0x1000
_CORRELATION_ID, _MESSAGE_ID, _USER_ID = 0x0400, 0x0080, 0x0010
_PERSISTENT, _PASSING = b"\x02", b"\x01"

#: Class, weight and size of the body. In a content header the properties come after these.
_BEFORE = b"\x00\x3c" + bytes(10)


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


def decode_properties(encoded: bytes) -> Basic.Properties:
    """Return the properties in a content header. `encoded` is the part of the header after the body's size."""
    header = ContentHeader()
    header.unmarshal(_BEFORE + encoded)
    return header.properties
