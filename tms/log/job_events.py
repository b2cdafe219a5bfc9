r"""Parse a job event log: bytes in, the events of one cluster out. (core)

    005 (1234.017.000) 2026-11-21 01:29:46 Job terminated.      type (cluster.proc.subproc) time text
    \t(1) Normal termination (return value 0)                   a body, mostly skipped
    ...                                                         the end of the record

`htcondor2.JobEventLog` stops silently at a corrupt record, and is five times too slow for a busy pool. This parser goes
on at the next record end and counts what it lost. It keeps no state: the caller passes bytes that were not consumed
again, at the beginning of the next call. Source: HTCondor manual, "Job Event Log Codes".
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import lru_cache

from schemas.pilot.job_names import CHIRP_PREFIX

_RECORD_END = b"\n...\n"
_CHIRP = CHIRP_PREFIX.encode()
_MINUS = ord("-")


class EventType(IntEnum):
    """The types of events that TMS reads."""

    SUBMIT = 0
    EXECUTE = 1
    JOB_EVICTED = 4
    JOB_TERMINATED = 5
    SHADOW_EXCEPTION = 7
    GENERIC = 8
    JOB_ABORTED = 9
    JOB_SUSPENDED = 10
    JOB_UNSUSPENDED = 11
    JOB_HELD = 12
    JOB_RELEASED = 13
    JOB_DISCONNECTED = 22
    JOB_RECONNECTED = 23
    JOB_RECONNECT_FAILED = 24
    CLUSTER_SUBMIT = 35
    CLUSTER_REMOVE = 36


# No code changes an event. But a frozen class would cost three times as much per event, and there are millions.


@dataclass(slots=True)
class JobMoved:
    """The job `proc` moved to the status that the event type implies. `slot` is where it starts to run, or ""."""

    proc: int
    type: EventType
    slot: str = field(default="", compare=False)
    at_ms: int = field(default=0, compare=False)


@dataclass(slots=True)
class JobHeld:
    """HTCondor put the job `proc` on hold, for the reason `code` and `subcode`. `at` is as in `ClusterRemoved`."""

    proc: int
    code: int
    subcode: int
    at: datetime | None = field(default=None, compare=False)


@dataclass(slots=True)
class JobEnded:
    """The job `proc` ended by itself. If a signal killed the job, `exit_code` is minus the signal's number."""

    proc: int
    exit_code: int
    at: datetime | None = field(default=None, compare=False)


@dataclass(slots=True)
class JobRequeued:
    """The job `proc` ended by itself, as `JobEnded` has it, and starts again at once."""

    proc: int
    exit_code: int
    at: datetime | None = field(default=None, compare=False)


@dataclass(slots=True)
class PilotChirped:
    """The pilot of the job `proc` set `attribute` (without the common prefix) to `value` (without quotes)."""

    proc: int
    attribute: str
    value: str
    at_ms: int = field(default=0, compare=False)


@dataclass(slots=True)
class ClusterSubmitted:
    """The cluster entered the queue."""

    cluster_id: int


@dataclass(slots=True)
class ClusterRemoved:
    """The cluster left the queue. No later event is about this cluster.

    `at` is the time in the log. A time without a zone is the access point's local time. `at` is None if the log's
    format has no year.
    """

    cluster_id: int
    at: datetime | None


JobEvent = JobMoved | JobHeld | JobEnded | JobRequeued | PilotChirped | ClusterSubmitted | ClusterRemoved


@dataclass(frozen=True, slots=True)
class ParsedLog:
    """The events in a part of a log, the number of consumed bytes, and the number of unreadable records."""

    events: list[JobEvent]
    n_bytes: int
    n_corrupt: int


_WANTED = {b"%03d" % event_type: event_type for event_type in EventType}
#: The events with no information beside their type and time.
_MOVES = frozenset(EventType) - {
    EventType.GENERIC,
    EventType.EXECUTE,
    EventType.JOB_EVICTED,
    EventType.JOB_HELD,
    EventType.JOB_TERMINATED,
    EventType.CLUSTER_SUBMIT,
    EventType.CLUSTER_REMOVE,
}
_GENERIC = EventType.GENERIC
#: The cluster, the job, and the instant. An instant without a year is as good as none.
_HEAD = re.compile(
    rb"\d{3} \((\d{1,9})\.(-?\d{1,7})\.-?\d{1,9}\) "
    rb"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"
)
_TORN = re.compile(rb"\n(?=\d{3} \(\d{1,9}\.-?\d{1,7}\.-?\d{1,9}\) )")
_HOLD = re.compile(rb"\n\s*Code (-?\d{1,9}) Subcode (-?\d{1,9})")
_RETURN = re.compile(rb"\(return value (-?\d{1,9})\)|\(signal (\d{1,9})\)")
#: The slot of a job that starts to run. An older HTCondor logs only the machine, in the address.
_SLOT = re.compile(rb"\n\s*SlotName: (\S{1,200})|[?&]alias=([^&>\s]{1,200})")
_REQUEUED = b"terminated and was requeued"
_ESCAPE = re.compile(r'\\(["\\ntrbf\'])')
_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def parse_log(data: bytes, *, cluster_id: int | None = None) -> ParsedLog:
    """Return the events in the complete records of `data`, which must start at the beginning of a record.

    Skip records of other clusters than `cluster_id`; if `cluster_id` is None, skip no cluster. Bytes after the last
    record end are not consumed, because they may be half a record. The cost is linear in the length of `data`.
    """
    end = data.rfind(_RECORD_END)
    if end < 0:
        # Consume a bare record end at the beginning. Otherwise no call could consume the log.
        return ParsedLog([], 4, 0) if data.startswith(b"...\n") else ParsedLog([], 0, 0)
    events: list[JobEvent] = []
    n_corrupt = 0
    # A busy pool writes thousands of records a second, and this loop handles each. So it looks names up once and makes
    # the commonest events itself.
    wanted, head_of, add = _WANTED.get, _HEAD.match, events.append
    for record in data[:end].split(_RECORD_END):
        event_type = wanted(record[:3])
        # Lines of a body begin with a tab or a letter. So one search for "\n0" shows that a writer died within this
        # record and another writer went on.
        if b"\n0" in record or event_type is None:
            *torn, record = _TORN.split(record)
            n_corrupt += len(torn)
            event_type = wanted(record[:3])
            if event_type is None:
                n_corrupt += not record[:3].isdigit()
                continue
        head = head_of(record)
        if head is None:
            n_corrupt += 1
            continue
        cluster, proc, when = head.groups()
        if cluster_id is not None and int(cluster) != cluster_id:
            continue
        if proc[0] == _MINUS:
            event = _parse_cluster_event(event_type, int(cluster), when)
        elif event_type is _GENERIC:
            event = _parse_chirp(int(proc), record, when)
        elif event_type in _MOVES:
            event = JobMoved(int(proc), event_type, at_ms=_parse_ms(when))
        else:
            event = _parse_job_event(event_type, int(proc), record, when)
        if event is not None:
            add(event)
    return ParsedLog(events, end + len(_RECORD_END), n_corrupt)


def _parse_cluster_event(event_type: EventType, cluster: int, when: bytes | None) -> JobEvent | None:
    match event_type:
        case EventType.CLUSTER_SUBMIT:
            return ClusterSubmitted(cluster)
        case EventType.CLUSTER_REMOVE:
            return ClusterRemoved(cluster, _parse_instant(when))
        case _:
            return None


def _parse_job_event(event_type: EventType, proc: int, record: bytes, when: bytes | None) -> JobEvent:
    match event_type:
        case EventType.JOB_HELD:
            codes = _HOLD.search(record)
            code, subcode = (int(codes[1]), int(codes[2])) if codes else (0, 0)
            return JobHeld(proc, code, subcode, _parse_instant(when))
        case EventType.JOB_TERMINATED:
            return JobEnded(proc, _parse_exit_code(record), _parse_instant(when))
        case EventType.JOB_EVICTED if _REQUEUED in record:
            return JobRequeued(proc, _parse_exit_code(record), _parse_instant(when))
        case EventType.EXECUTE:
            return JobMoved(proc, event_type, _parse_slot(record), _parse_ms(when))
        case _:
            return JobMoved(proc, event_type, at_ms=_parse_ms(when))


def _parse_slot(record: bytes) -> str:
    """Return the slot and the machine where a job starts to run, or only the machine. Return "" if none is named."""
    slots = {bool(found[1]): found[1] or found[2] for found in _SLOT.finditer(record)}
    return (slots.get(True) or slots.get(False) or b"").decode("utf-8", "replace")


def _parse_exit_code(record: bytes) -> int:
    result = _RETURN.search(record)
    if result is None:
        return 0
    return int(result[1]) if result[1] is not None else -int(result[2])


def _parse_chirp(proc: int, record: bytes, when: bytes | None) -> PilotChirped | None:
    start = record.find(_CHIRP)
    if start < 0:
        return None
    text = record[start:]
    said = _said_before(text) if len(text) <= _SHORT else _split_chirp(text)
    return None if said is None else PilotChirped(proc, *said, _parse_ms(when))


def _split_chirp(text: bytes) -> tuple[str, str] | None:
    """Return the attribute and the value of a chirp."""
    attribute, colon, value = text.partition(b": ")
    if not colon or b"\n" in attribute:
        return None
    name = attribute[len(_CHIRP) :].decode("ascii", "replace")
    return name, _unquote_string(value.decode("utf-8", "replace").strip())


#: Cache chirps up to this length: pilots repeat the same few short ones. A long text most likely comes once.
_SHORT = 100
_said_before = lru_cache(maxsize=4096)(_split_chirp)


def _parse_instant(when: bytes | None) -> datetime | None:
    try:
        return datetime.fromisoformat(when.decode()) if when else None
    except ValueError:
        return None


#: Busy logs have many records of the same second.
@lru_cache(maxsize=256)
def _parse_ms(when: bytes | None) -> int:
    """Return the instant in milliseconds since 1970; 0 if it is unknown."""
    at = _parse_instant(when)
    return count_ms(at) if at is not None else 0


def count_ms(at: datetime) -> int:
    """Return an instant in milliseconds since 1970. A time without a zone is this machine's local time."""
    return int(at.timestamp() * 1000)


def _unquote_string(text: str) -> str:
    """Return the value of a ClassAd string literal. Return anything else, such as a number, unchanged."""
    if len(text) < 2 or not (text[0] == text[-1] == '"'):
        return text
    return _ESCAPE.sub(lambda m: _UNESCAPED.get(m[1], m[1]), text[1:-1])
