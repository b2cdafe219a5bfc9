"""Events as existing message clients write and read them, to and from bytes. (core)

    zstd level 3 of UTF-8 JSON {"headers": {...}, "data": <any JSON>}      no AMQP properties at all

Such an event is told from ours by what it lacks: it has no content type, and begins like a zstd frame. What a
stranger's frame unpacks to is bounded before and while it is unpacked: a gigabyte fits into 32 KiB of it.
Source: contract, section 6.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from schemas.errors import Rejected, TooLarge, Unavailable
from schemas.topology import MAX_EVENT_BYTES

#: How a zstd frame begins. Source: RFC 8878, 3.1.1.
MAGIC = b"\x28\xb5\x2f\xfd"

#: What one event may unpack to (ruling 14).
MAX_UNPACKED_BYTES = 16 * 1024 * 1024

#: How many times its size an event may unpack to, beyond what would have fitted into an event unpacked: a row of zeros
#: is an honest event.
MAX_RATIO = 200

#: The claim in a queue's token that names the queue's format. A profile has the contract's keys and no room for it.
WIRE_CLAIM = "ewms_wire"

_LEVEL = 3


class Wire(StrEnum):
    """How events lie in a queue."""

    #: The payload as it is, everything else in AMQP properties: see `schemas.payloads.data_events`.
    EWMS = "ewms"
    #: As existing message clients have it.
    LEGACY = "legacy"


class Undecodable(Rejected):
    """The bytes begin like an existing client's event and are none."""


class Unwritable(TooLarge):
    """The data cannot be written so that an existing client, or we, could read it."""


class CodecMissing(Unavailable):
    """The library that unpacks these events is not installed here."""


@dataclass(frozen=True, slots=True)
class LegacyEvent:
    """What an existing client's event carries: any JSON, and headers (a trace link, mostly none)."""

    data: Any
    headers: Mapping[str, Any] = field(default_factory=dict)


def is_legacy(body: bytes, content_type: str) -> bool:
    """Return whether an event with this body and content type ("" for none) is of an existing client's making."""
    return not content_type and body.startswith(MAGIC)


def decode(body: bytes) -> LegacyEvent:
    """Return what the event `body` carries.

    Raises:
        Undecodable: it is not an existing client's event, or unpacks to more than an event may.
        CodecMissing: it cannot be read here.
    """
    text = _unpacked(body)
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Undecodable(f"the event is not JSON in zstd: {type(error).__name__}") from error
    if not isinstance(message, dict) or "data" not in message:
        raise Undecodable('the event is not a JSON object with "headers" and "data"')
    headers = message.get("headers")
    return LegacyEvent(message["data"], headers if isinstance(headers, dict) else {})


def encode(data: Any, headers: Mapping[str, Any] | None = None, *, allow_nan: bool = True) -> bytes:
    """Return the body of an event that carries `data`, such that `decode` takes it.

    NaN and the infinities are no JSON; existing clients, all in Python, write and read them nevertheless.

    Raises:
        Unwritable: it is more than an event may be.
        TypeError, ValueError: it is nothing that JSON can hold.
        CodecMissing: it cannot be written here.
    """
    text = json.dumps({"headers": dict(headers or {}), "data": data}, allow_nan=allow_nan).encode()
    body: bytes = _zstandard().ZstdCompressor(level=_LEVEL).compress(text)
    if len(body) > MAX_EVENT_BYTES or len(text) > _most(len(body)):
        raise Unwritable(f"the event has {len(text)} bytes, {len(body)} when compressed")
    return body


def check_codec() -> None:
    """Return if these events can be read and written here.

    Raises:
        CodecMissing: they cannot.
    """
    _zstandard()


def _unpacked(body: bytes) -> bytes:
    zstandard = _zstandard()
    most = _most(len(body))
    try:
        stated = zstandard.get_frame_parameters(body).content_size
        if stated != zstandard.CONTENTSIZE_UNKNOWN and stated > most:
            raise Undecodable(f"the event says that it unpacks to {stated} bytes and may have {most}")
        # The window bounds what the library itself allocates; a frame in one segment has it as large as its content.
        unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_UNPACKED_BYTES)
        with unpacker.stream_reader(body) as reader:
            text: bytes = reader.read(most + 1)
    except zstandard.ZstdError as error:
        raise Undecodable(f"the event is not zstd: {error}") from error
    if len(text) > most:
        raise Undecodable(f"the event unpacks to more than {most} bytes")
    return text


def _most(n_packed: int) -> int:
    return min(MAX_UNPACKED_BYTES, max(MAX_EVENT_BYTES, MAX_RATIO * n_packed))


def _zstandard() -> Any:
    # Here, since who only passes words on needs no such library: TMS and WMS import this module for `Wire`.
    try:
        import zstandard  # noqa: PLC0415
    except ImportError as error:
        raise CodecMissing(
            "existing clients' events need the package zstandard", hint="install it, or EWMS with its extras"
        ) from error
    return zstandard
