"""The one wait, whatever fills it: opened, armed, answered or expired. (core)

    opened ──► armed ──► answered | expired      an answer that comes before the arming is kept, and ends the wait then

    the answer comes while the wait is   opened      armed                       answered           expired
    the first                            KEPT        ENDS                        LATE               EXPIRED
    the same again (by its id)           DUPLICATE                               DUPLICATE          EXPIRED
    another one                          LATE        ENDS                        LATE               EXPIRED
    after the deadline                               EXPIRED: nobody has said so yet

A callback brings a token. The token of an earlier attempt of the step that opens the wait is SUPERSEDED, any other text
is UNKNOWN. Exactly one answer or one expiry ends a wait.
"""

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum

from schemas.graph import WaitKind, WaitSpec
from schemas.ids import NodeKey
from schemas.runs import Wait, WaitAnswer, WaitState


class AnswerVerdict(StrEnum):
    """What an answer does to a wait."""

    #: It ends the wait.
    ENDS = "ends"
    #: It came early, and ends the wait as soon as that is armed.
    KEPT = "kept"
    DUPLICATE = "duplicate"
    LATE = "late"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"


def make_callback_token(secret: str, opener: NodeKey, attempt: int) -> str:
    """Return the token by which a callback answers the wait that this attempt of `opener` opens. Nothing stores it."""
    return hashlib.sha256(f"{secret}/{opener}/{attempt}".encode()).hexdigest()


def judge_token(secret: str, opener: NodeKey, attempt: int, token: str) -> AnswerVerdict | None:
    """Return why `token` answers nothing; None: it is the token of the current `attempt` of `opener`."""
    # Digests are compared, so the time that this takes tells nothing about the token.
    given = hashlib.sha256(token.encode()).digest()

    def is_of(number: int) -> bool:
        return given == hashlib.sha256(make_callback_token(secret, opener, number).encode()).digest()

    if is_of(attempt):
        return None
    return AnswerVerdict.SUPERSEDED if any(map(is_of, range(1, attempt))) else AnswerVerdict.UNKNOWN


def open_wait(spec: WaitSpec, correlation: str) -> Wait:
    """Return a wait whose token exists from now on."""
    return Wait(kind=spec.kind, state=WaitState.OPENED, name=spec.name, correlation=correlation)


def arm_wait(spec: WaitSpec, opened: Wait | None, correlation: str, now: datetime) -> tuple[Wait, WaitAnswer | None]:
    """Return the armed wait, and None; or the answered one, and the answer that came early."""
    wait = opened if opened is not None and opened.state is WaitState.OPENED else open_wait(spec, correlation)
    deadline = None if spec.timeout_s is None else now + timedelta(seconds=spec.timeout_s)
    armed = wait.model_copy(
        update={"state": WaitState.ARMED, "correlation": correlation, "deadline": deadline, "armed_at": now}
    )
    return armed if wait.early is None else note_answer(armed, wait.early), wait.early


def arm_poll(poll: Wait | None, now: datetime) -> Wait:
    """Return the wait of a step that has answered `pending`: since the first time, until the next look."""
    return Wait(kind=WaitKind.POLL, armed_at=poll.armed_at if poll is not None else now)


def arm_child(now: datetime) -> Wait:
    """Return the wait for the end of what a node has started."""
    return Wait(kind=WaitKind.CHILD, armed_at=now)


def judge_answer(wait: Wait | None, answer: WaitAnswer, now: datetime) -> AnswerVerdict:
    """Return what `answer` does to `wait`; None: the node does not wait, nor will its step's callback be kept."""
    if wait is None:
        return AnswerVerdict.UNKNOWN
    match wait.state:
        case WaitState.OPENED:
            if wait.early is None:
                return AnswerVerdict.KEPT
            return AnswerVerdict.DUPLICATE if wait.early.id == answer.id else AnswerVerdict.LATE
        case WaitState.ARMED:
            return AnswerVerdict.EXPIRED if has_expired(wait, now) else AnswerVerdict.ENDS
        case WaitState.ANSWERED:
            return AnswerVerdict.DUPLICATE if wait.answered_by == answer.id else AnswerVerdict.LATE
        case WaitState.EXPIRED:
            return AnswerVerdict.EXPIRED
    # A newer version has stored a state that this one does not know.
    return AnswerVerdict.UNKNOWN  # type: ignore[unreachable]  # mypy believes that an enumeration is closed


def has_expired(wait: Wait, now: datetime) -> bool:
    """Return whether the time of an armed wait is over."""
    return wait.state is WaitState.ARMED and wait.deadline is not None and wait.deadline <= now


def keep_early(wait: Wait, answer: WaitAnswer) -> Wait:
    """Return the opened `wait` with the answer that came early."""
    return wait.model_copy(update={"early": answer})


def note_answer(wait: Wait, answer: WaitAnswer) -> Wait:
    """Return `wait` as `answer` leaves it."""
    return wait.model_copy(update={"state": WaitState.ANSWERED, "answered_by": answer.id, "early": None})


def note_expiry(wait: Wait) -> Wait:
    """Return `wait` as its deadline leaves it."""
    return wait.model_copy(update={"state": WaitState.EXPIRED, "early": None})
