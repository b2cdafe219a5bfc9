"""What a pilot says of itself, and when: attributes, rate limit, backlog, spelling. (core)

A status goes at once; counters and task errors wait for the interval. What could not be sent stays in the backlog
until a newer value takes its place. Source: contract, 8.1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from schemas.statuses import ChirpAttribute, PilotStatus

Value = str | int

#: A line with its name stays below a pipe's atomic write (4096) and chirp's own limit (5120, its escapes included).
_MAX_BYTES = 2400

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"})


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is to be sent: attribute -> value, the newest only. `urgent` does not wait for the interval."""

    interval_s: float
    values: Mapping[ChirpAttribute, Value] = field(default_factory=dict)
    urgent: bool = False
    sent_at_s: float | None = None


def with_status(backlog: Backlog, status: PilotStatus, error: str = "", traceback: str = "") -> Backlog:
    """Return `backlog` with a new status and, where there is one, the error behind it."""
    said = {ChirpAttribute.STATUS: status.value, ChirpAttribute.ERROR: error, ChirpAttribute.ERROR_TRACEBACK: traceback}
    values = {attribute: value for attribute, value in said.items() if value}
    return replace(backlog, values={**backlog.values, **values}, urgent=True)


def with_counters(backlog: Backlog, *, n_failed: int, n_success: int, error: str = "", traceback: str = "") -> Backlog:
    """Return `backlog` with the tasks counted so far, and the last task's error if it failed."""
    said: dict[ChirpAttribute, Value] = {
        ChirpAttribute.TASKS_TOTAL: n_failed + n_success,
        ChirpAttribute.TASKS_FAILED: n_failed,
        ChirpAttribute.TASKS_SUCCESS: n_success,
        ChirpAttribute.ERROR: error,
        ChirpAttribute.ERROR_TRACEBACK: traceback,
    }
    values = {attribute: value for attribute, value in said.items() if value}
    return replace(backlog, values={**backlog.values, **values})


def due_at(backlog: Backlog) -> float | None:
    """Return when the backlog is to be sent; `None` if it is empty, the past if at once."""
    if not backlog.values:
        return None
    if backlog.urgent or backlog.sent_at_s is None:
        return float("-inf")
    return backlog.sent_at_s + backlog.interval_s


def taken(backlog: Backlog, now_s: float) -> tuple[Backlog, dict[ChirpAttribute, Value]]:
    """Return the backlog without its values, and the values."""
    return replace(backlog, values={}, urgent=False, sent_at_s=now_s), dict(backlog.values)


def put_back(backlog: Backlog, unsent: Mapping[ChirpAttribute, Value]) -> Backlog:
    """Return `backlog` with what could not be sent, except where there is a newer value. It does not wait again."""
    return replace(backlog, values={**unsent, **backlog.values}, urgent=True)


def lines(values: Iterable[tuple[ChirpAttribute, Value]]) -> list[str]:
    """Return the lines of the job event log, `<Attr>: <classad-quoted value>`."""
    return [f"{attribute.value}: {quoted(str(value))}" for attribute, value in values]


def quoted(text: str) -> str:
    """Return `text` as a ClassAd string literal of bounded length. Source: HTCondor manual, "ClassAd Strings"."""
    literal = text.translate(_ESCAPES)
    while len(literal.encode()) > _MAX_BYTES:
        text = text[: max(0, len(text) * 4 // 5)]
        literal = text.translate(_ESCAPES) + "…"
    return f'"{literal}"'


def expression(value: Value) -> str:
    """Return `value` as a job attribute's expression: numbers bare, texts quoted."""
    return str(value) if isinstance(value, int) else quoted(value)
