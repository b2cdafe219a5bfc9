"""What an event's bytes are as an infile, and an outfile's bytes as an event. (core)

event -> infile    the payload's bytes as they are
outfile -> event   `.json`: checked, application/json; else text/plain if it is UTF-8, application/octet-stream if not
"""

import json

from pilot.errors import Failure, invalid_infile, outfile_unreadable
from schemas.dataevents import BINARY, JSON, TEXT, DataEvent
from schemas.topology import MAX_EVENT_BYTES


def infile(event: DataEvent, extension: str) -> bytes | Failure:
    """Return the bytes of the infile for `event`; a `.json` infile is one that a JSON parser will take."""
    if len(event.body) > MAX_EVENT_BYTES:
        return invalid_infile(f"the event has {len(event.body)} bytes and may have {MAX_EVENT_BYTES}")
    if extension == "json" and event.content_type == JSON:
        try:
            json.loads(event.body)
        except (ValueError, RecursionError) as error:
            return invalid_infile(f"the event says that it is {JSON} and is not: {type(error).__name__}")
    return event.body


def output_type(body: bytes, extension: str) -> str | Failure:
    """Return the content type under which the outfile's `body` is sent; the bytes go as they are."""
    if extension == "json":
        try:
            json.loads(body)
        except (ValueError, RecursionError) as error:
            return outfile_unreadable(f"the outfile ends in .json and is not JSON: {error}"[:300])
        return JSON
    try:
        body.decode()
    except UnicodeDecodeError:
        return BINARY
    return TEXT
