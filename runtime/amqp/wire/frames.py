"""The bytes of the AMQP frames that publish, deliver and settle events. (core)

    publish   method, content header, body frames     settle   one method

A frame: type, channel, size of the payload, payload, an end mark. Source: AMQP 0-9-1 specification, 2.3.5 and 4.2;
RabbitMQ's `basic.nack` and `confirm`.
"""

from struct import Struct
from typing import Final

from schemas.errors import Rejected

METHOD, HEADER, BODY = 1, 2, 3
FRAME_END: Final = 0xCE
#: Type, channel and size come before a payload, and the end mark after it.
HEAD: Final = Struct(">BHI")
#: The bytes of a frame around its payload.
FRAME_BYTES: Final = HEAD.size + 1
#: A content header begins with class, weight and the size of the body; the properties follow.
PROPERTIES_AT: Final = 12
TAG: Final = Struct(">Q")

# Class 60 (basic) and the method.
PUBLISH, RETURN, DELIVER = b"\x00\x3c\x00\x28", b"\x00\x3c\x00\x32", b"\x00\x3c\x00\x3c"
ACK, REJECT, NACK = b"\x00\x3c\x00\x50", b"\x00\x3c\x00\x5a", b"\x00\x3c\x00\x78"

#: The frame by which the broker shows that it is alive.
HEARTBEAT: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"

_MANDATORY = b"\x01"
_CONTENT_CLASS = b"\x00\x3c\x00\x00"
_MULTIPLE, _REQUEUE_NACK = b"\x01", b"\x02"
_MAX_SHORT_BYTES = 255
_SETTLEMENT = Struct(">BHI4sQ1sB")
_SETTLEMENT_BYTES = 13
_NO, _YES = b"\x00", b"\x01"


def make_frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Return a whole frame with this `payload`."""
    return b"%b%b\xce" % (HEAD.pack(kind, channel, len(payload)), payload)


def short_text(text: str, what: str) -> bytes:
    """Return `text` as bytes, with the number of bytes before them.

    Raises:
        Rejected: `text` has more than 255 bytes. The error names it by `what`.
    """
    encoded = text.encode()
    if len(encoded) > _MAX_SHORT_BYTES:
        raise Rejected(f"{what} has {len(encoded)} bytes; AMQP allows {_MAX_SHORT_BYTES}")
    return b"%c%b" % (len(encoded), encoded)


def publish_frame(channel: int, exchange: str, routing_key: str) -> bytes:
    """Return the method frame that publishes an event. The broker shall return an event that no queue takes.

    Raises:
        Rejected: a name is longer than AMQP allows.
    """
    names = short_text(exchange, "the exchange's name") + short_text(routing_key, "the routing key")
    return make_frame(METHOD, channel, b"%b\x00\x00%b%b" % (PUBLISH, names, _MANDATORY))


def content_frames(channel: int, properties: bytes, body: bytes, max_frame_body: int) -> bytes:
    """Return the header frame and the body frames of an event. A body frame has at most `max_frame_body` bytes."""
    size = len(body)
    head = HEAD.pack(HEADER, channel, PROPERTIES_AT + len(properties))
    if 0 < size <= max_frame_body:
        body_head = HEAD.pack(BODY, channel, size)
        return b"%b%b%b%b\xce%b%b\xce" % (head, _CONTENT_CLASS, TAG.pack(size), properties, body_head, body)
    parts = [b"%b%b%b%b\xce" % (head, _CONTENT_CLASS, TAG.pack(size), properties)]
    parts += (
        make_frame(BODY, channel, body[start : start + max_frame_body]) for start in range(0, size, max_frame_body)
    )
    return b"".join(parts)


def ack_frame(channel: int, tag: int, *, and_earlier: bool = False) -> bytes:
    """Return the frame that acknowledges the delivery `tag` and, with `and_earlier`, all before it."""
    return _settlement_frame(channel, ACK, tag, _MULTIPLE if and_earlier else _NO)


def reject_frame(channel: int, tag: int, *, requeue: bool) -> bytes:
    """Return the frame that tells the broker that the delivery failed."""
    return _settlement_frame(channel, REJECT, tag, _YES if requeue else _NO)


def release_frame(channel: int, tag: int) -> bytes:
    """Return the frame that returns a delivery to its queue."""
    return _settlement_frame(channel, NACK, tag, _REQUEUE_NACK)


def _settlement_frame(channel: int, method: bytes, tag: int, flags: bytes) -> bytes:
    return _SETTLEMENT.pack(METHOD, channel, _SETTLEMENT_BYTES, method, tag, flags, FRAME_END)
