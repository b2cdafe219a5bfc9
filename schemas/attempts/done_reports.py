"""The report of an attempt at a traced event that ended well. A pilot publishes it as JSON, and MQS stores it.

    x.dead.<workflow> ──attempts──► mqs.attempts ──► MQS ──► DoneAttemptColl

It goes the same way as the report of a failed attempt (`failed_reports`); its content type distinguishes the two. The
pilot imports this module, so it uses no pydantic. MQS reads the report as a `DoneAttempt`, which has the same members.
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from schemas.attempts.failed_reports import MAX_ERROR, MAX_NAME

#: The content type of a report. An MQS that does not know it drops the report.
DONE_REPORT_TYPE = "application/vnd.ewms.done-attempt+json"

#: The most outputs in one report.
MAX_OUTPUTS = 32
#: The largest report in bytes. MQS drops a larger one, which has many long texts.
MAX_REPORT_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class OutputReport:
    """An output that the broker has confirmed: its queue, its id, and when (ISO 8601 in UTC)."""

    queue: str
    event_id: str
    confirmed_at: str


@dataclass(frozen=True, slots=True)
class DoneReport:
    """One attempt at one traced event, from its delivery to its acknowledgement. Instants are ISO 8601 in UTC."""

    event_id: str
    #: The first event of the family.
    root: str
    attempt: int
    #: The pilot's id, random for each start.
    pilot: str
    #: When the pilot got the event, when the task began and ended, and when the pilot acknowledged the event.
    taken_at: str
    started_at: str
    ended_at: str
    acknowledged_at: str
    #: When the event was published; None if its publisher did not tell.
    published_at: str | None = None
    #: The key that the publisher gave; empty without a key.
    key: str = ""
    #: The event from which a task made this event, as its header says; empty if none.
    parent: str = ""
    #: How many replays the event has had. After a replay, attempts count from 1 again.
    n_replays: int = 0
    queue: str = ""
    task_id: str = ""
    taskforce_uuid: str = ""
    site: str = ""
    machine: str = ""
    slot: str = ""
    #: The worker's number in its taskforce (HTCondor's ProcId), which names its logs.
    worker: int | None = None
    #: The task's failure, if the pilot published it as the event's outcome; else empty.
    error: str = ""
    outputs: tuple[OutputReport, ...] = ()
    #: The event's size and content type.
    n_bytes: int = 0
    content_type: str = ""
    #: The W3C trace context that the event carried; empty if none.
    traceparent: str = ""


def done_report_to_bytes(report: DoneReport) -> bytes:
    """Return `report` as JSON. Texts and the list of outputs are cut to their maximum."""
    texts: dict[str, Any] = {
        field.name: text[: MAX_ERROR if field.name == "error" else MAX_NAME].encode("utf-8", "replace").decode()
        for field in fields(report)
        if isinstance(text := getattr(report, field.name), str)
    }
    bounded = replace(report, **texts, outputs=report.outputs[:MAX_OUTPUTS])
    return json.dumps(asdict(bounded), separators=(",", ":"), allow_nan=False).encode()
