"""Open, arm, answer and expire waits. All kinds of waits follow this one table. (core)

    opened ──► armed ──► answered | expired      an answer before the arming is KEPT, and ends the wait at the arming

    the answer comes while the wait is   opened      armed                       answered           expired
    the first                            KEPT        ENDS                        LATE               EXPIRED
    the same again (by its id)           DUPLICATE                               DUPLICATE          EXPIRED
    another one                          LATE        ENDS                        LATE               EXPIRED
    after the deadline                               EXPIRED, and so is the wait

An event that has ended another wait of the run is LATE.

A callback brings a token. The token of an earlier attempt of the step that opens the wait is SUPERSEDED, any other text
is UNKNOWN. Exactly one answer or one expiry ends a wait.
"""

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum

from schemas.engine.graph import WaitKind, WaitSpec
from schemas.engine.runs import Wait, WaitAnswer, WaitState
from schemas.ids import NodeKey

#: A form that no step worker has evaluated is asked again after this time.
FORM_PAUSE = timedelta(seconds=15)


class AnswerVerdict(StrEnum):
    """What an answer does to a wait, or why it does nothing."""

    #: It ends the wait.
    ENDS = "ends"
    #: It came early. It ends the wait as soon as the wait is armed.
    KEPT = "kept"
    DUPLICATE = "duplicate"
    LATE = "late"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"


def make_callback_token(secret: str, opener: NodeKey, attempt: int) -> str:
    """Return the token for the callback that answers the wait which this attempt opens. The token is not stored."""
    return hashlib.sha256(f"{secret}/{opener}/{attempt}".encode()).hexdigest()


def judge_token(secret: str, opener: NodeKey, attempt: int, token: str) -> AnswerVerdict | None:
    """Return None if `token` is the token of the current `attempt` of `opener`. Otherwise return why it answers
    nothing.
    """
    # Compare digests, so that the time of this check tells nothing about the token.
    given = hashlib.sha256(token.encode()).digest()

    def is_of(number: int) -> bool:
        return given == hashlib.sha256(make_callback_token(secret, opener, number).encode()).digest()

    if is_of(attempt):
        return None
    return AnswerVerdict.SUPERSEDED if any(map(is_of, range(1, attempt))) else AnswerVerdict.UNKNOWN


def open_wait(spec: WaitSpec, correlation: str) -> Wait:
    """Return a new opened wait. From now on, its token can be used."""
    return Wait(kind=spec.kind, state=WaitState.OPENED, name=spec.name, correlation=correlation)


def arm_wait(spec: WaitSpec, opened: Wait | None, correlation: str, now: datetime) -> tuple[Wait, WaitAnswer | None]:
    """Return the armed wait and None. If an answer came early, return the answered wait and that answer."""
    wait = opened if opened is not None and opened.state is WaitState.OPENED else open_wait(spec, correlation)
    deadline = None if spec.timeout is None else now + spec.timeout
    armed = wait.model_copy(
        update={"state": WaitState.ARMED, "correlation": correlation, "deadline": deadline, "armed_at": now}
    )
    return armed if wait.early is None else note_answer(armed, wait.early), wait.early


def arm_poll(poll: Wait | None, now: datetime) -> Wait:
    """Return the wait of a step that has answered `pending`. Its time counts from the first such answer."""
    return Wait(kind=WaitKind.POLL, armed_at=poll.armed_at if poll is not None else now)


def arm_child(now: datetime) -> Wait:
    """Return the wait for the end of a node's child."""
    return Wait(kind=WaitKind.CHILD, armed_at=now)


def judge_answer(wait: Wait | None, answer: WaitAnswer, now: datetime) -> AnswerVerdict:
    """Return what `answer` does to `wait`. If `wait` is None, the node does not wait."""
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
    """Return `wait` as answered by `answer`."""
    return wait.model_copy(update={"state": WaitState.ANSWERED, "answered_by": answer.id, "early": None})


def note_expiry(wait: Wait) -> Wait:
    """Return `wait` as expired."""
    return wait.model_copy(update={"state": WaitState.EXPIRED, "early": None})
