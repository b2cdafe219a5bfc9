"""The report of a failed attempt. A pilot publishes the report as JSON through the data vhost, and MQS stores it.

    x.dead.<workflow> ──attempts──► mqs.attempts ──► MQS ──► FailedAttemptColl

The report has no field for the workflow: the exchange shows the workflow. A pilot's token opens only the exchange of
the pilot's own workflow, so no pilot can report for another workflow. All texts have a maximum length. The pilot
imports this module, so it uses no pydantic.
"""

import base64
import binascii
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from schemas.errors import Rejected

#: MQS's own queue on the data vhost, and the routing key to it on every workflow's dead exchange.
ATTEMPTS_QUEUE = "mqs.attempts"
ATTEMPTS_KEY = "attempts"

#: Maximum lengths: of texts in characters, of the event's excerpt in bytes.
MAX_NAME = 256
MAX_ERROR = 2000
MAX_LAST_LINES = 4000
MAX_EXCERPT_BYTES = 512
#: The largest report in bytes. A report with all texts at their maximum and all characters escaped is smaller.
MAX_REPORT_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """One failed attempt at one event."""

    #: Empty if the client set no id. Then `digest` identifies the event.
    event_id: str
    attempt: int
    #: The pilot's id, random for each start. Together with the event and the attempt, this id identifies a report.
    pilot: str
    reason: str
    error: str
    #: The key that the publisher gave; empty without a key.
    key: str = ""
    #: The event from which a task made this event, as its header says; empty if none.
    parent: str = ""
    queue: str = ""
    task_id: str = ""
    taskforce_uuid: str = ""
    #: The end of the task's standard error, or else of its standard output.
    last_lines: str = ""
    #: The task's exit code; 128 + n if signal n ended the task; None if the task did not exit.
    exit_code: int | None = None
    site: str = ""
    machine: str = ""
    #: The slot on the machine, and the worker's number in its taskforce (HTCondor's ProcId), which names its logs.
    slot: str = ""
    worker: int | None = None
    #: When the attempt ended (ISO 8601 in UTC), and how long it took.
    failed_at: str = ""
    took_s: float = 0.0
    #: Of traced events: when the event was published, and when the pilot got it (ISO 8601 in UTC); empty if unknown.
    published_at: str = ""
    taken_at: str = ""
    #: The first event of the event's family, if the event is traced; else empty.
    root: str = ""
    #: The W3C trace context that the event carried; empty if none.
    traceparent: str = ""
    #: How many replays the event has had. After a replay, attempts count from 1 again.
    n_replays: int = 0
    #: Whether the pilot gave the event up after this attempt, so that it is a dead letter.
    gave_up: bool = False
    #: Whether the attempt counts against the event. If not, the pilot gave the event back: it took its own worker as
    #: the cause, or its worker's time was over.
    counts: bool = True
    #: The event's size, content type, SHA-256 and first bytes.
    n_bytes: int = 0
    content_type: str = ""
    digest: str = ""
    excerpt: bytes = b""


_BOUNDS: dict[str, int] = {"error": MAX_ERROR, "last_lines": MAX_LAST_LINES}
_KINDS: dict[str, tuple[type, ...]] = {
    "attempt": (int,),
    "exit_code": (int, type(None)),
    "worker": (int, type(None)),
    "took_s": (int, float),
    "gave_up": (bool,),
    "counts": (bool,),
    "n_bytes": (int,),
    "n_replays": (int,),
    "excerpt": (str,),
}
_MAX_NUMBER = 2**53


def bound_texts(attempt: FailedAttempt) -> FailedAttempt:
    """Return `attempt` with every text cut to its maximum. `last_lines` keeps the end, other texts the beginning."""
    texts = {
        field.name: getattr(attempt, field.name)[: _BOUNDS.get(field.name, MAX_NAME)]
        for field in fields(attempt)
        if isinstance(getattr(attempt, field.name), str) and field.name != "last_lines"
    }
    last_lines = attempt.last_lines
    if len(last_lines) > MAX_LAST_LINES:
        last_lines = f"…{last_lines[1 - MAX_LAST_LINES :]}"
    return replace(attempt, **texts, last_lines=last_lines, excerpt=attempt.excerpt[:MAX_EXCERPT_BYTES])


def attempt_to_bytes(attempt: FailedAttempt) -> bytes:
    """Return `attempt` as JSON. Texts are cut to their maximum."""
    plain = asdict(bound_texts(attempt))
    plain["excerpt"] = base64.b64encode(plain["excerpt"]).decode()
    return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode()


def attempt_from_bytes(body: bytes) -> FailedAttempt:
    """Return the attempt in `body`. Texts are cut to their maximum, and unknown members are ignored.

    Raises:
        Rejected: `body` is not a report of an attempt.
    """
    if len(body) > MAX_REPORT_BYTES:
        raise Rejected(f"a failed attempt must have at most {MAX_REPORT_BYTES} bytes, and has {len(body)}")
    try:
        plain = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected("a failed attempt must be a JSON object in UTF-8") from error
    if not isinstance(plain, dict):
        raise Rejected("a failed attempt must be a JSON object")
    known: dict[str, Any] = {field.name: plain[field.name] for field in fields(FailedAttempt) if field.name in plain}
    for name, value in known.items():
        kinds = _KINDS.get(name, (str,))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise Rejected(f"a failed attempt's {name} must not be a {type(value).__name__}")
        if isinstance(value, int | float) and not -_MAX_NUMBER <= value <= _MAX_NUMBER:
            raise Rejected(f"a failed attempt's {name} is out of range")
        if isinstance(value, str):
            # UTF-8 cannot encode half of a surrogate pair, and no database accepts it.
            known[name] = value.encode("utf-8", "replace").decode()
    try:
        known["excerpt"] = base64.b64decode(known.get("excerpt", ""), validate=True)
        return bound_texts(FailedAttempt(**known))
    except (binascii.Error, ValueError, TypeError) as error:
        raise Rejected("a failed attempt lacks a member, or its excerpt is not base64") from error
