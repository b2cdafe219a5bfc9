"""Turn an event's bytes into an infile, and an outfile's bytes into an event. (core)

event -> infile    the payload's bytes as they are outfile -> event   `.json`: checked, application/json; else
text/plain if it is UTF-8, application/octet-stream if not

Every queue may also hold events of existing message clients, which contain JSON. The pilot writes such events only onto
a queue whose wire is `legacy`. A JSON string becomes the infile without its quotes, with any extension. Any other value
needs a `.json` infile. JSON means RFC 8259 in both directions and both task modes: see `schemas.payloads.json_text`.
"""

import json
from collections.abc import Mapping

from pilot.failures.event_failures import codec_missing, invalid_infile, outfile_unreadable
from pilot.failures.failure import Failure
from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.payloads import legacy_wire
from schemas.payloads.data_events import BINARY, JSON, TEXT, DataEvent, Header, HeaderValue
from schemas.payloads.json_text import load_json
from schemas.rules.limits import MAX_ARGUMENT_BYTES


def build_infile(event: DataEvent, extension: str) -> bytes | Failure:
    """Return the infile's bytes for `event`.

    Return a failure if the event is too large, or is not JSON although its content type or the extension needs JSON.
    """
    if len(event.body) > MAX_EVENT_BYTES:
        return invalid_infile(f"the event has {len(event.body)} bytes; the limit is {MAX_EVENT_BYTES}")
    if legacy_wire.is_legacy(event.body, event.content_type):
        return _legacy_infile(event.body, extension)
    if extension == "json" and event.content_type == JSON:
        try:
            load_json(event.body)
        except ValueError as error:
            return invalid_infile(f"the event's content type is {JSON}, but its body is not JSON: {error}"[:300])
    return event.body


def build_argument(body: bytes) -> str | Failure:
    """Return the infile's `body` as one argument of a command. Return a failure if no argument can hold it."""
    if len(body) > MAX_ARGUMENT_BYTES:
        return invalid_infile(
            f"the event has {len(body)} bytes; with EWMS_PILOT_PAYLOAD_ARGUMENT it may have {MAX_ARGUMENT_BYTES}"
        )
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return invalid_infile("with EWMS_PILOT_PAYLOAD_ARGUMENT an event must be text in UTF-8")
    return invalid_infile("an argument cannot contain the character NUL") if "\0" in text else text


def choose_output_type(body: bytes, extension: str) -> str | Failure:
    """Return the content type of the outfile's `body`. The pilot sends the bytes unchanged."""
    if extension == "json":
        try:
            load_json(body)
        except ValueError as error:
            return outfile_unreadable(f"the outfile ends in .json and is not JSON: {error}"[:300])
        return JSON
    try:
        body.decode()
    except UnicodeDecodeError:
        return BINARY
    return TEXT


def encode_for_legacy(body: bytes, content_type: str, headers: Mapping[str, HeaderValue]) -> bytes | None:
    """Return the outfile's `body` in the format of existing message clients. Return None if it cannot hold `body`.

    After None, the caller sends `body` unchanged; mostly it is bytes that are not text. Pilots and our client can read
    such an event. An existing client cannot.

    Raises:
        CodecMissing: this worker lacks a library that the format needs.
    """
    trace = {Header.TRACE.value: headers[Header.TRACE]} if Header.TRACE in headers else {}
    try:
        if content_type == JSON:
            return legacy_wire.encode_legacy(load_json(body), trace)
        if content_type == TEXT:
            return legacy_wire.encode_legacy(body.decode(), trace)
    except (legacy_wire.Unwritable, ValueError, RecursionError):
        return None
    return None


def _legacy_infile(body: bytes, extension: str) -> bytes | Failure:
    try:
        data = legacy_wire.decode_legacy(body).data
        if isinstance(data, str):
            return data.encode()
        if extension == "json":
            return json.dumps(data, allow_nan=False).encode()
    except legacy_wire.Undecodable as error:
        return invalid_infile(error.reason)
    except legacy_wire.CodecMissing as error:
        return codec_missing(error.reason)
    except (ValueError, RecursionError) as error:
        return invalid_infile(f"the event cannot be written into a file: {error}"[:300])
    return invalid_infile(
        f"the event is a JSON {type(data).__name__}, but a .{extension} infile takes only text: "
        "set EWMS_PILOT_INFILE_EXT to .json"
    )
