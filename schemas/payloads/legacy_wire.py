"""Convert events to bytes and back in the format of existing message clients. (core)

    zstd level 3 of UTF-8 JSON {"headers": {...}, "data": <any JSON>}      no AMQP properties at all

Such an event has no content type and begins like a zstd frame; EWMS's own events do not. We check the unpacked size
before and during unpacking, because a frame of 32 KiB can unpack to a gigabyte. Source: contract, section 6.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.errors import Rejected, TooLarge, Unavailable

#: The first bytes of a zstd frame. Source: RFC 8878, 3.1.1.
MAGIC = b"\x28\xb5\x2f\xfd"

#: The most bytes that one event may have after unpacking (ruling 14).
MAX_UNPACKED_BYTES = 16 * 1024 * 1024

#: An event may unpack to this many times its size. For events that unpack to no more than 16 MiB the ratio does not
#: matter, because a list of zeros is an honest event.
MAX_RATIO = 200

_LEVEL = 3


class Undecodable(Rejected):
    """The bytes begin like an existing client's event, but are not one."""


class Unwritable(TooLarge):
    """The data are too large for any event that an existing client or EWMS could read."""


class CodecMissing(Unavailable):
    """This environment lacks the library that reads and writes existing clients' events."""


@dataclass(frozen=True, slots=True)
class LegacyEvent:
    """The content of an existing client's event: any JSON, and headers (a trace link; mostly none)."""

    data: Any
    headers: Mapping[str, Any] = field(default_factory=dict)


def is_legacy(body: bytes, content_type: str) -> bool:
    """Return whether the event comes from an existing client. An empty `content_type` means that the event has none."""
    return not content_type and body.startswith(MAGIC)


def decode_legacy(body: bytes) -> LegacyEvent:
    """Return the content of the event `body`.

    Raises:
        Undecodable: `body` is not an event of an existing client, or is too large after unpacking.
        CodecMissing: the library for these events is not installed.
    """
    text = _unpack_body(body)
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Undecodable(f"the event is not JSON in zstd: {type(error).__name__}") from error
    if not isinstance(message, dict) or "data" not in message:
        raise Undecodable('the event is not a JSON object with "headers" and "data"')
    headers = message.get("headers")
    return LegacyEvent(message["data"], headers if isinstance(headers, dict) else {})


def encode_legacy(data: Any, headers: Mapping[str, Any] | None = None, *, allow_nan: bool = True) -> bytes:
    """Return the body of an event with `data`, which `decode_legacy` and existing clients can read.

    NaN and the infinities are not JSON. But existing clients are Python programs, which write and read them. If
    `allow_nan` is False, they raise ValueError.

    Raises:
        Unwritable: the event is larger than an event may be.
        TypeError, ValueError: JSON cannot represent `data`.
        CodecMissing: the library for these events is not installed.
    """
    text = json.dumps({"headers": dict(headers or {}), "data": data}, allow_nan=allow_nan).encode()
    body: bytes = _import_zstandard().ZstdCompressor(level=_LEVEL).compress(text)
    if len(body) > MAX_EVENT_BYTES or len(text) > _max_unpacked(len(body)):
        raise Unwritable(f"the event is too large: {len(text)} bytes, {len(body)} when compressed")
    return body


def check_codec() -> None:
    """Check that this environment can read and write these events.

    Raises:
        CodecMissing: the library for these events is not installed.
    """
    _import_zstandard()


def _unpack_body(body: bytes) -> bytes:
    zstandard = _import_zstandard()
    most = _max_unpacked(len(body))
    try:
        stated = zstandard.get_frame_parameters(body).content_size
        if stated != zstandard.CONTENTSIZE_UNKNOWN and stated > most:
            raise Undecodable(f"the event must unpack to at most {most} bytes, and states {stated}")
        # The window limits the library's own memory. In a frame with one segment, it is as large as the content.
        unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_UNPACKED_BYTES)
        with unpacker.stream_reader(body) as reader:
            text: bytes = reader.read(most + 1)
    except zstandard.ZstdError as error:
        raise Undecodable(f"the event is not zstd: {error}") from error
    if len(text) > most:
        raise Undecodable(f"the event unpacks to more than {most} bytes")
    return text


def _max_unpacked(n_packed: int) -> int:
    return min(MAX_UNPACKED_BYTES, max(MAX_EVENT_BYTES, MAX_RATIO * n_packed))


def _import_zstandard() -> Any:
    # Import the library here: only those need it who meet such events.
    try:
        import zstandard  # noqa: PLC0415
    except ImportError as error:
        raise CodecMissing(
            "existing clients' events need the package zstandard", hint="install it, or EWMS with its extras"
        ) from error
    return zstandard
