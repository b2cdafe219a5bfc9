r"""What we take from a job event log: bytes in, the events of one cluster out. (core)

    005 (1234.017.000) 2026-11-21 01:29:46 Job terminated.      type (cluster.proc.subproc) when text
    \t(1) Normal termination (return value 0)                   a body that we mostly skip
    ...                                                         the end of the record

`htcondor2.JobEventLog` stops without a word at a corrupt record, and is five times too slow for a busy pool; this
reader goes on at the next record end, and counts what it lost. It keeps no state: what it did not consume is the
beginning of what it is given next. Source: HTCondor manual, "Job Event Log Codes".
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import lru_cache

_RECORD_END = b"\n...\n"
_CHIRP = b"HTChirpEWMSPilot"
_MINUS = ord("-")


class EventType(IntEnum):
    """The events that place a job or a cluster."""

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
    JOB_RECONNECT_FAILED = 24
    CLUSTER_SUBMIT = 35
    CLUSTER_REMOVE = 36


# Nobody changes an event, but to freeze the class would make each three times as dear, and there are millions.


@dataclass(slots=True)
class JobMoved:
    """The job `proc` went where its event's type says."""

    proc: int
    type: EventType


@dataclass(slots=True)
class JobHeld:
    """The job `proc` was put on hold, for HTCondor's reason `code` and `subcode`."""

    proc: int
    code: int
    subcode: int


@dataclass(slots=True)
class JobEnded:
    """The job `proc` ended by itself: `exit_code`, or minus the number of the signal that killed it."""

    proc: int
    exit_code: int


@dataclass(slots=True)
class PilotChirped:
    """The pilot in `proc` said `value` (unquoted) of the attribute `attribute`, which lacks its common prefix."""

    proc: int
    attribute: str
    value: str


@dataclass(slots=True)
class ClusterSubmitted:
    """The cluster entered the queue."""

    cluster_id: int


@dataclass(slots=True)
class ClusterRemoved:
    """The cluster left the queue; no event of it follows.

    `at` is as logged: without a zone it is in the access point's; `None` where the log's format has no year.
    """

    cluster_id: int
    at: datetime | None


JobEvent = JobMoved | JobHeld | JobEnded | PilotChirped | ClusterSubmitted | ClusterRemoved


@dataclass(frozen=True, slots=True)
class Parsed:
    """The events of a stretch of log, how many of its bytes they took, and how many records were unreadable."""

    events: list[JobEvent]
    n_bytes: int
    n_corrupt: int


_WANTED = {b"%03d" % event_type: event_type for event_type in EventType}
#: Those of which the type alone tells everything.
_MOVES = frozenset(EventType) - {
    EventType.GENERIC,
    EventType.JOB_HELD,
    EventType.JOB_TERMINATED,
    EventType.CLUSTER_SUBMIT,
    EventType.CLUSTER_REMOVE,
}
_GENERIC = EventType.GENERIC
_HEAD = re.compile(rb"\d{3} \((\d{1,9})\.(-?\d{1,7})\.-?\d{1,9}\) ")
_WHEN = re.compile(rb"\) (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)")
_TORN = re.compile(rb"\n(?=\d{3} \(\d{1,9}\.-?\d{1,7}\.-?\d{1,9}\) )")
_HOLD = re.compile(rb"\n\s*Code (-?\d{1,9}) Subcode (-?\d{1,9})")
_RETURN = re.compile(rb"\(return value (-?\d{1,9})\)|\(signal (\d{1,9})\)")
_ESCAPE = re.compile(r'\\(["\\ntrbf\'])')
_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def parse(data: bytes, *, cluster_id: int | None = None) -> Parsed:
    """Return the events in the complete records of `data`, which starts at the beginning of a record.

    Records of other clusters than `cluster_id` are skipped (`None`: of none). What follows the last record end is not
    consumed: it may be half written. Linear in the length of `data`.
    """
    end = data.rfind(_RECORD_END)
    if end < 0:
        # A log that begins with a bare record end would otherwise never be consumed.
        return Parsed([], 4, 0) if data.startswith(b"...\n") else Parsed([], 0, 0)
    events: list[JobEvent] = []
    n_corrupt = 0
    # A busy pool writes thousands of records a second, and this is the loop over them: names are looked up once, the
    # commonest events are made right here.
    wanted, head_of, add = _WANTED.get, _HEAD.match, events.append
    for record in data[:end].split(_RECORD_END):
        event_type = wanted(record[:3])
        # "\n0" begins no line of a body (those begin with a tab or a letter), so it costs one search to see that a
        # writer died in this record and another one went on.
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
        cluster, proc = head.groups()
        if cluster_id is not None and int(cluster) != cluster_id:
            continue
        if proc[0] == _MINUS:
            event = _of_cluster(event_type, int(cluster), record)
        elif event_type is _GENERIC:
            event = _chirp(int(proc), record)
        elif event_type in _MOVES:
            event = JobMoved(int(proc), event_type)
        else:
            event = _of_job(event_type, int(proc), record)
        if event is not None:
            add(event)
    return Parsed(events, end + len(_RECORD_END), n_corrupt)


def _of_cluster(event_type: EventType, cluster: int, record: bytes) -> JobEvent | None:
    match event_type:
        case EventType.CLUSTER_SUBMIT:
            return ClusterSubmitted(cluster)
        case EventType.CLUSTER_REMOVE:
            return ClusterRemoved(cluster, _instant(record))
        case _:
            return None


def _of_job(event_type: EventType, proc: int, record: bytes) -> JobEvent:
    match event_type:
        case EventType.JOB_HELD:
            codes = _HOLD.search(record)
            return JobHeld(proc, int(codes[1]), int(codes[2])) if codes else JobHeld(proc, 0, 0)
        case EventType.JOB_TERMINATED:
            result = _RETURN.search(record)
            if result is None:
                return JobEnded(proc, 0)
            return JobEnded(proc, int(result[1]) if result[1] is not None else -int(result[2]))
        case _:
            return JobMoved(proc, event_type)


def _chirp(proc: int, record: bytes) -> PilotChirped | None:
    start = record.find(_CHIRP)
    if start < 0:
        return None
    text = record[start:]
    said = _said_before(text) if len(text) <= _SHORT else _said(text)
    return None if said is None else PilotChirped(proc, *said)


def _said(text: bytes) -> tuple[str, str] | None:
    """Return the attribute and the value of a chirp."""
    attribute, colon, value = text.partition(b": ")
    if not colon or b"\n" in attribute:
        return None
    name = attribute[len(_CHIRP) :].decode("ascii", "replace")
    return name, _unquoted(value.decode("utf-8", "replace").strip())


#: Pilots say the same few words over and over; a long text is most likely said once.
_SHORT = 100
_said_before = lru_cache(maxsize=4096)(_said)


def _instant(record: bytes) -> datetime | None:
    when = _WHEN.search(record)
    try:
        return datetime.fromisoformat(when[1].decode()) if when else None
    except ValueError:
        return None


def _unquoted(text: str) -> str:
    """Return the value of a ClassAd string literal; anything else (a number) as it stands."""
    if len(text) < 2 or not (text[0] == text[-1] == '"'):
        return text
    return _ESCAPE.sub(lambda m: _UNESCAPED.get(m[1], m[1]), text[1:-1])
