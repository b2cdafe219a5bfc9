"""A pilot's report of its work so far, as one text that it chirps. (core)

A report covers all work since the pilot began. So a lost, repeated or late report does no harm: of two reports of one
pilot, `merge_reports` takes the larger number of each field.

    {"pilot": "5f0e91c2", "n_slots": 1, "n_done": 40, "n_failed": 1, "done_ms": 80123, "lost_ms": 1500, "idle_ms": 2210,
     "peak_mib": 412, "last_done_ms": 1795219200000, "durations": {"21": 38, "22": 2}}
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

#: Larger numbers are no work of a pilot: a worker does not run for 30 000 years.
_MAX = 10**15
_MAX_NAME = 64

#: The number of the highest bucket of durations: about a year.
MAX_BUCKET = 70


@dataclass(frozen=True, slots=True)
class WorkReport:
    """What one pilot has done since it began. Times count the slots: two slots that run for 1 s add 2 s."""

    #: A random name. The next pilot of the same job has another one.
    pilot: str
    #: How many events the pilot works on at once.
    n_slots: int
    #: Runs of the task that succeeded, and runs that failed. A run that was interrupted is neither.
    n_done: int = 0
    n_failed: int = 0
    #: The time of runs that succeeded, the time of the other runs, and the time of slots without a run. The time before
    #: the first run does not count.
    done_ms: int = 0
    lost_ms: int = 0
    idle_ms: int = 0
    #: The most memory that the pilot and its task have had; 0 if nothing has measured it.
    peak_mib: int = 0
    #: Number of a bucket (`find_bucket`) -> how many successful runs took so long.
    durations: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    #: When the last run that succeeded ended, in milliseconds since 1970 by the worker's clock; 0 if none has.
    last_done_ms: int = 0


_NUMBERS = tuple(each.name for each in fields(WorkReport) if each.name not in ("pilot", "durations"))


def find_bucket(took_ms: float) -> int:
    """Return the number of the bucket for a run that took `took_ms`. Each bucket is wider by the root of two."""
    return min(MAX_BUCKET, max(0, math.floor(2 * math.log2(max(1.0, took_ms)))))


def list_bucket_ends(bucket: int) -> tuple[float, float]:
    """Return the shortest and the longest time of `bucket`, in milliseconds."""
    return 2 ** (bucket / 2), 2 ** ((bucket + 1) / 2)


def report_to_text(report: WorkReport) -> str:
    """Return `report` as JSON, without spaces."""
    numbers = {name: getattr(report, name) for name in _NUMBERS}
    content = {"pilot": report.pilot, **numbers, "durations": {str(b): n for b, n in sorted(report.durations.items())}}
    return json.dumps(content, separators=(",", ":"))


def report_from_text(text: str) -> WorkReport | None:
    """Return the report in `text`. Return None if `text` is no report."""
    try:
        # Older pilots do not report when the last run ended.
        found: Any = {"last_done_ms": 0, **json.loads(text)}
        numbers = {name: _read_count(found[name]) for name in _NUMBERS}
        durations = {int(bucket): _read_count(n) for bucket, n in found["durations"].items()}
        name = found["pilot"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or not numbers["n_slots"]:
        return None
    if any(not 0 <= bucket <= MAX_BUCKET for bucket in durations):
        return None
    return WorkReport(pilot=name, durations=durations, **numbers)


def merge_reports(one: WorkReport, other: WorkReport) -> WorkReport:
    """Return the newest numbers of two reports of the same pilot, in any order."""
    numbers = {name: max(getattr(one, name), getattr(other, name)) for name in _NUMBERS}
    buckets = one.durations.keys() | other.durations.keys()
    durations = {bucket: max(one.durations.get(bucket, 0), other.durations.get(bucket, 0)) for bucket in buckets}
    return WorkReport(pilot=one.pilot, durations=durations, **numbers)


def _read_count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MAX:
        raise ValueError("not a count")
    return value
