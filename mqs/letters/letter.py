"""Handle dead letters as data: read a letter, select letters, and prepare a letter for a replay. (core)

A pilot writes into `x-ewms-dead-*` why it gave up an event. The broker writes its own reasons (delivery limit, expired,
rejected) into `x-first-death-*` and `x-death`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.attempts.dead_letters import DeadLetter, LetterFilter, LetterGroup
from schemas.attempts.signatures import signature_id, signature_text
from schemas.payloads.data_events import Header
from schemas.payloads.shown_events import plain_headers

#: How many characters of an error a listing shows; `show` has all of it.
MAX_ERROR = 500
EXCERPT_BYTES = 200
_MAX_NAME = 256

_OLDEST = datetime.min.replace(tzinfo=UTC)

#: Headers that the broker adds to an event, and that a pilot adds to a dead letter. A replay carries none of them.
_BROKERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "x-ewms-dead-")


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter without its body."""

    letter: str
    event_id: str
    content_type: str
    headers: Mapping[str, Any]
    n_bytes: int
    excerpt: bytes
    queue: str
    task_id: str
    reason: str
    error: str
    signature: str
    attempts: int | None
    worker: str
    dead_at: datetime | None

    @property
    def place(self) -> tuple[datetime, str]:
        """The sort key of the letter among those of its workflow. It stays the same while users read pages of
        letters.
        """
        return self.dead_at or _OLDEST, self.letter

    @property
    def cursor(self) -> str:
        """The letter's sort key as text, for `after` in a query."""
        return f"{self.place[0].isoformat()}~{self.letter}"


def letter_of(body: bytes, event_id: str, content_type: str, headers: Mapping[str, Any]) -> Letter:
    """Return the dead letter in a message of a dead queue."""
    queue = _read_text(headers, Header.DEAD_QUEUE) or _read_text(headers, Header.FIRST_DEATH_QUEUE)
    broker_reason = _read_text(headers, Header.FIRST_DEATH_REASON)
    reason = _read_text(headers, Header.DEAD_REASON) or broker_reason or "unknown"
    error = _read_text(headers, Header.DEAD_ERROR, limit=2000) or _broker_error(broker_reason)
    attempts = headers.get(Header.DEAD_ATTEMPTS)
    dead_at = _pilots_time(headers) or _brokers_time(headers)
    digest = hashlib.sha256(body)
    for word in (event_id, queue, reason, dead_at.isoformat() if dead_at else "", str(n_replays(headers))):
        digest.update(b"\0" + word.encode("utf-8", "replace"))
    return Letter(
        letter=digest.hexdigest()[:20],
        event_id=event_id,
        content_type=content_type,
        headers=headers,
        n_bytes=len(body),
        excerpt=body[:EXCERPT_BYTES],
        queue=queue,
        task_id=_read_text(headers, Header.DEAD_TASK),
        reason=reason,
        error=error,
        signature=signature_id(error),
        attempts=attempts if isinstance(attempts, int) and not isinstance(attempts, bool) else None,
        worker=_read_text(headers, Header.DEAD_WORKER),
        dead_at=dead_at,
    )


def show_letter(letter: Letter, *, body: bytes | None = None, whole: bool = False) -> DeadLetter:
    """Return a letter in the form for users. If `whole`, include its headers and its whole error."""
    error = letter.error
    if not whole and len(error) > MAX_ERROR:
        error = f"{error[: MAX_ERROR - 1]}…"
    return DeadLetter(
        letter=letter.letter,
        event_id=letter.event_id,
        key=_read_text(letter.headers, Header.KEY),
        task_id=letter.task_id,
        queue=letter.queue,
        reason=letter.reason,
        error=error,
        signature=letter.signature,
        attempts=letter.attempts,
        n_replays=n_replays(letter.headers),
        worker=letter.worker,
        dead_at=letter.dead_at,
        n_bytes=letter.n_bytes,
        content_type=letter.content_type,
        excerpt=letter.excerpt,
        body=body,
        headers=plain_headers(letter.headers) if whole or body is not None else None,
    )


def matches_filter(letter: Letter, which: LetterFilter) -> bool:
    """Return whether a letter passes the filter `which`."""
    return (
        (which.task_id is None or letter.task_id == which.task_id)
        and (which.signature is None or letter.signature == which.signature)
        and (which.event_id is None or letter.event_id == which.event_id)
    )


def select_letters(letters: Iterable[Letter], which: LetterFilter, *, after: str | None = None) -> list[Letter]:
    """Return the letters that match the filter `which`, the oldest first. With the cursor `after`, return only later
    ones.

    A malformed cursor has no effect.
    """
    wanted = sorted((letter for letter in letters if matches_filter(letter, which)), key=lambda letter: letter.place)
    if after is None:
        return wanted
    at, _, name = after.partition("~")
    try:
        behind = datetime.fromisoformat(at)
    except ValueError:
        return wanted
    place = behind if behind.tzinfo else behind.replace(tzinfo=UTC), name
    return [letter for letter in wanted if letter.place > place]


def group_letters(letters: Iterable[Letter]) -> list[LetterGroup]:
    """Return the groups of letters with equal task and signature, the largest group first."""
    groups: dict[tuple[str, str], list[Letter]] = {}
    for letter in letters:
        groups.setdefault((letter.task_id, letter.signature), []).append(letter)
    found = [_make_group(members) for members in groups.values()]
    return sorted(found, key=lambda group: (-group.n_letters, group.task_id, group.signature))


def replay_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers of a replayed event: the sender's own headers, and the number of replays.

    Leave out headers that the client library can read but not write. Otherwise the event could not be sent back.
    """
    own = {name: value for name, value in headers.items() if not name.startswith(_BROKERS) and _can_be_sent(value)}
    return {**own, Header.REPLAYS.value: n_replays(headers) + 1}


def n_replays(headers: Mapping[str, Any]) -> int:
    """Return how often an event was replayed."""
    n = headers.get(Header.REPLAYS, 0)
    return n if isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**31 else 0


def describe_choice(letters: Sequence[str] | None, which: LetterFilter) -> str:
    """Return in words which letters a user has chosen, for the audit."""
    if letters is not None:
        return f"letters {', '.join(letters[:5])}{' ...' if len(letters) > 5 else ''}"
    said = [f"{name} {value}" for name, value in which.model_dump(exclude_none=True).items()]
    return ", ".join(said) or "all"


def _make_group(members: Sequence[Letter]) -> LetterGroup:
    newest = max(members, key=lambda letter: letter.place)
    times = [letter.dead_at for letter in members if letter.dead_at is not None]
    return LetterGroup(
        task_id=newest.task_id,
        signature=newest.signature,
        reason=newest.reason,
        text=signature_text(newest.error),
        example=newest.error[:MAX_ERROR],
        letter=newest.letter,
        n_letters=len(members),
        n_bytes=sum(letter.n_bytes for letter in members),
        first_at=min(times, default=None),
        last_at=max(times, default=None),
    )


#: The meaning of the broker's reasons. Source: RabbitMQ documentation, "Dead Letter Exchanges", and rulings 5 and 6.
_BROKER_ERRORS = {
    "delivery_limit": "more pilots have ended or returned the event than the broker allows",
    "expired": "the event waited longer than its publisher allowed",
    "maxlen": "the queue was full",
    "rejected": "a pilot rejected the event for good and could not send its reason",
}


def _can_be_sent(value: Any) -> bool:
    match value:
        case bool() | float():
            return True
        case int():
            return -(2**63) <= value < 2**63
        case str():
            return value.encode("utf-8", "replace").decode() == value
        case list():
            return all(isinstance(item, str) and _can_be_sent(item) for item in value)
        case _:
            return False


def _broker_error(reason: str) -> str:
    return _BROKER_ERRORS.get(reason, "the reason is unknown")


def _pilots_time(headers: Mapping[str, Any]) -> datetime | None:
    try:
        at = datetime.fromisoformat(_read_text(headers, Header.DEAD_AT))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _brokers_time(headers: Mapping[str, Any]) -> datetime | None:
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else None
    at = first.get("time") if isinstance(first, Mapping) else None
    if not isinstance(at, datetime):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _read_text(headers: Mapping[str, Any], name: str, *, limit: int = _MAX_NAME) -> str:
    value = headers.get(name)
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value[:limit] if isinstance(value, str) else ""
