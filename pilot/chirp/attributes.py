"""Decide what a pilot chirps and when, and write each value in HTCondor's syntax. (core)

    status                    at once
    counters, repeated error  after the interval; the work so far goes with every chirp
    new error, first success  within two seconds, so that users see it while the worker lives

If every error of a worker is new, the pause between two errors doubles each time, up to the interval. This limits the
number of errors that a reader must count. A value that could not be sent stays in the backlog until a newer value
replaces it. Source: contract, 8.1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pilot.failures.error_text import shorten_middle
from schemas.fleet.statuses import PilotStatus
from schemas.pilot.job_names import ChirpAttribute

Value = str | int

#: How many seconds the first new error waits, so that the pilot can send other values together with it.
NEWS_S = 2.0

#: With this limit a line, its name included, fits a pipe's atomic write (4096) and chirp's limit (5120 with escapes).
_MAX_BYTES = 2400

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"})


@dataclass(frozen=True, slots=True)
class UnsentChirps:
    """The values to send: the newest value of each attribute. If `urgent`, do not wait until the interval ends."""

    interval_s: float
    values: Mapping[ChirpAttribute, Value] = field(default_factory=dict)
    urgent: bool = False
    sent_at_s: float | None = None
    #: The error that was sent last. `has_news`: there is another error to send, or the first success.
    said_error: Value = ""
    has_news: bool = False
    #: Whether there was a success. The first success is news: it shows that the task does not fail everywhere.
    has_success: bool = False
    #: `news_wait_s`: how long the next news waits after the last sending. `news_at_s`: when news was last sent.
    news_wait_s: float = NEWS_S
    news_at_s: float = float("-inf")


def with_status(
    backlog: UnsentChirps, status: PilotStatus, error: str = "", traceback: str = "", *, bad_machine: str = ""
) -> UnsentChirps:
    """Return `backlog` with `status`, and with each other argument that is not empty, to be sent at once."""
    said = {
        ChirpAttribute.STATUS: status.value,
        ChirpAttribute.ERROR: error,
        ChirpAttribute.ERROR_TRACEBACK: traceback,
        ChirpAttribute.BAD_MACHINE: bad_machine,
    }
    values = {attribute: value for attribute, value in said.items() if value}
    return replace(backlog, values={**backlog.values, **values}, urgent=True)


def with_counters(
    backlog: UnsentChirps, *, n_failed: int, n_success: int, error: str = "", traceback: str = ""
) -> UnsentChirps:
    """Return `backlog` with the counts of tasks so far, and with the last task's error and traceback, if it failed."""
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


def due_at(backlog: UnsentChirps) -> float | None:
    """Return the time at which to send the backlog, in seconds on the clock of `now_s`.

    Return None if the backlog is empty. Return minus infinity if the pilot must send the backlog at once.
    """
    if not backlog.values:
        return None
    if backlog.urgent or backlog.sent_at_s is None:
        return float("-inf")
    wait_s = _news_wait_s(backlog) if backlog.has_news else backlog.interval_s
    return backlog.sent_at_s + min(wait_s, backlog.interval_s)


def take_values(backlog: UnsentChirps, now_s: float) -> tuple[UnsentChirps, dict[ChirpAttribute, Value]]:
    """Return the empty backlog, and the values to send now."""
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


def _news_wait_s(backlog: UnsentChirps) -> float:
    """Return how many seconds the next news waits, at most the interval.

    After a whole interval without news, the wait is `NEWS_S` again.
    """
    was_quiet = backlog.sent_at_s is None or backlog.sent_at_s - backlog.news_at_s >= backlog.interval_s
    return NEWS_S if was_quiet else min(backlog.news_wait_s, backlog.interval_s)


def put_back(backlog: UnsentChirps, unsent: Mapping[ChirpAttribute, Value]) -> UnsentChirps:
    """Return `backlog` with the `unsent` values, to be sent at once. A newer value in `backlog` stays."""
    return replace(backlog, values={**unsent, **backlog.values}, urgent=True)


def format_lines(values: Iterable[tuple[ChirpAttribute, Value]]) -> list[str]:
    """Return one line of the job event log for each value: `<Attr>: <classad-quoted value>`."""
    return [f"{attribute.value}: {quote_text(str(value))}" for attribute, value in values]


def quote_text(text: str) -> str:
    """Return `text` as a ClassAd string literal. If it would exceed `_MAX_BYTES`, cut out the middle of `text`.

    Source: HTCondor manual, "ClassAd Strings".
    """
    literal = text.translate(_ESCAPES)
    while len(literal.encode()) > _MAX_BYTES:
        # The end of a long traceback explains most, so cut out the middle.
        text = shorten_middle(text, len(text) * 4 // 5)
        literal = text.translate(_ESCAPES)
    return f'"{literal}"'


def format_expression(value: Value) -> str:
    """Return `value` as a ClassAd expression: digits for a number, a quoted literal for a text."""
    return str(value) if isinstance(value, int) else quote_text(value)
