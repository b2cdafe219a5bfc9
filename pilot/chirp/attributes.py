"""What a pilot says of itself, and when: attributes, rate limit, backlog, spelling. (core)

A status goes at once; counters wait for the interval, and so does a task error that was said before. An error that is
news goes within two seconds, so that it is seen while its worker lives. A worker whose errors are all news waits twice
as long from one to the next, at most the interval: whoever counts them has a bounded number to read. What could not be
sent stays in the backlog until a newer value takes its place. Source: contract, 8.1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pilot.failures.error_text import shorten_middle
from schemas.statuses import ChirpAttribute, PilotStatus

Value = str | int

#: How long the first error that is news may wait for others.
NEWS_S = 2.0

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
    #: The error that was sent last, and whether the one that waits is another.
    said_error: Value = ""
    has_news: bool = False
    #: Whether there was a success. The first is news: it tells that the task does not fail everywhere.
    has_success: bool = False
    #: How long the next news waits, and when the last were sent.
    news_wait_s: float = NEWS_S
    news_at_s: float = float("-inf")


def with_status(
    backlog: Backlog, status: PilotStatus, error: str = "", traceback: str = "", *, bad_machine: str = ""
) -> Backlog:
    """Return `backlog` with a new status and, where there is one, the error behind it."""
    said = {
        ChirpAttribute.STATUS: status.value,
        ChirpAttribute.ERROR: error,
        ChirpAttribute.ERROR_TRACEBACK: traceback,
        ChirpAttribute.BAD_MACHINE: bad_machine,
    }
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
    is_first_success = n_success > 0 and not backlog.has_success
    has_news = backlog.has_news or is_first_success or (bool(error) and error != backlog.said_error)
    return replace(
        backlog,
        values={**backlog.values, **values},
        has_news=has_news,
        has_success=backlog.has_success or is_first_success,
    )


def due_at(backlog: Backlog) -> float | None:
    """Return when the backlog is to be sent; `None` if it is empty, the past if at once."""
    if not backlog.values:
        return None
    if backlog.urgent or backlog.sent_at_s is None:
        return float("-inf")
    wait_s = _news_wait_s(backlog) if backlog.has_news else backlog.interval_s
    return backlog.sent_at_s + min(wait_s, backlog.interval_s)


def taken(backlog: Backlog, now_s: float) -> tuple[Backlog, dict[ChirpAttribute, Value]]:
    """Return the backlog without its values, and the values."""
    sent = replace(
        backlog,
        values={},
        urgent=False,
        sent_at_s=now_s,
        said_error=backlog.values.get(ChirpAttribute.ERROR, backlog.said_error),
        has_news=False,
    )
    if backlog.has_news:
        sent = replace(sent, news_wait_s=2 * _news_wait_s(backlog), news_at_s=now_s)
    return sent, dict(backlog.values)


def _news_wait_s(backlog: Backlog) -> float:
    """Return how long news wait: after a whole interval without any, as shortly as the first."""
    was_quiet = backlog.sent_at_s is None or backlog.sent_at_s - backlog.news_at_s >= backlog.interval_s
    return NEWS_S if was_quiet else min(backlog.news_wait_s, backlog.interval_s)


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
        # Of a long traceback its end says most.
        text = shorten_middle(text, len(text) * 4 // 5)
        literal = text.translate(_ESCAPES)
    return f'"{literal}"'


def expression(value: Value) -> str:
    """Return `value` as a job attribute's expression: numbers bare, texts quoted."""
    return str(value) if isinstance(value, int) else quoted(value)
