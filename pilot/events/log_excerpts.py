"""Name an event for the log: its id, its key, the number of the attempt, and the beginning of its input. (core)

event 5f0e... (key 'pixel-7', attempt 2, of queue a31c...)
input, 34 bytes of application/json: {"pixel": 7, "run": 12}
"""

from pilot.failures.error_text import shorten_middle
from pilot.failures.failure import Failure
from schemas.payloads import legacy_wire
from schemas.payloads.data_events import DataEvent, Header

#: The most characters in an excerpt.
MAX_EXCERPT = 200


def describe_failure(
    failure: Failure, event: DataEvent | None, *, attempt: int, queue: str, with_traceback: bool
) -> str:
    """Return the lines of the log about a failed event: its name, its error, and the beginning of its input.

    The lines end with the failure's traceback if `with_traceback` is true.
    """
    lines = [f"{name_event(event, attempt=attempt, queue=queue)} failed: {failure}"]
    if event is not None:
        lines.append(f"its input: {excerpt_input(event)}")
    if with_traceback:
        lines.append(failure.traceback)
    return "\n".join(lines)


def name_event(event: DataEvent | None, *, attempt: int, queue: str) -> str:
    """Return the name of `event` in the log. If `event` is None, name the only run of a task that takes no events."""
    if event is None:
        return "the task's run"
    said = [f"attempt {attempt}", f"of queue {queue}"]
    if key := read_key(event):
        said.insert(0, f"key {key!r}")
    if parent := event.headers.get(Header.PARENT):
        said.append(f"made from event {_plain_text(str(parent), 100)}")
    return f"event {_plain_text(event.id, 100) or 'without an id'} ({', '.join(said)})"


def read_key(event: DataEvent) -> str:
    """Return the key that the sender gave to `event`. Return "" if there is no key."""
    key = event.headers.get(Header.KEY, "")
    return _plain_text(key, MAX_EXCERPT) if isinstance(key, str) else ""


def excerpt_input(event: DataEvent) -> str:
    """Return one printable line: the size and content type of `event`'s input, then the beginning of the input."""
    body, kind = event.body, event.content_type or "no content type"
    if legacy_wire.is_legacy(body, event.content_type):
        kind = "an existing client"
        try:
            data = legacy_wire.decode_legacy(body).data
        except (legacy_wire.Undecodable, legacy_wire.CodecMissing):
            return f"{len(body)} bytes of {kind}, unreadable"
        begins = repr(data) if not isinstance(data, str) else data
    else:
        # A character has at most four bytes in UTF-8.
        begins = body[: 4 * MAX_EXCERPT].decode(errors="replace")
        if begins.count("�") > len(begins) // 10:
            return f"{len(body)} bytes of {_plain_text(kind, 100)}: {body[:40].hex(' ', -8)}"
    return f"{len(body)} bytes of {_plain_text(kind, 100)}: {_plain_text(begins, MAX_EXCERPT)}"


def _plain_text(text: str, limit: int) -> str:
    """Return `text` as part of a log line: printable, without line breaks, at most `limit` characters."""
    text = "".join(char if char.isprintable() else " " for char in text[: 4 * limit])
    return shorten_middle(" ".join(text.split()), limit)
