"""Decide when a notification is tried again, and when it has failed. (core)

sent                                        successful
refused for good (4xx, a wrong password)    failed
not there, too busy, silent                 again after 5 s, 20 s, 80 s, ... up to the last attempt
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from schemas.automation.notifications import NotificationStatus

#: The attempts of a notification about a job. A test of a template has one.
MAX_ATTEMPTS = 6
_FIRST_PAUSE = timedelta(seconds=5)
_GROWTH = 4
_LONGEST_PAUSE = timedelta(minutes=20)
_MAX_ERROR = 1000


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """How one attempt ended. An empty `error` means success."""

    error: str = ""
    #: Whether another attempt may do better.
    may_repeat: bool = False
    #: Which of several addresses have it now, by their places from 1. Another attempt leaves them out.
    done: tuple[int, ...] = ()
    #: The `rev` of the notification template with these addresses.
    done_rev: int = 0


def find_pause(n_attempts: int, first: timedelta = _FIRST_PAUSE) -> timedelta:
    """Return how long to wait after the attempt number `n_attempts`, from 1."""
    factor: int = _GROWTH ** min(n_attempts - 1, 10)
    return min(_LONGEST_PAUSE, first * factor)


def settle_attempt(
    outcome: SendOutcome, *, n_attempts: int, max_attempts: int, now: datetime, first_pause: timedelta = _FIRST_PAUSE
) -> Mapping[str, Any]:
    """Return the fields to change in a notification after its attempt number `n_attempts`, by name.

    A success or the last failure ends the notification. Otherwise `wake_at` is the time of the next attempt.
    `first_pause` is the pause after the first attempt.
    """
    error = outcome.error[:_MAX_ERROR]
    if not error:
        return {"status": NotificationStatus.SUCCESSFUL, "error": "", "wake_at": None, "ended_at": now}
    if outcome.may_repeat and n_attempts < max_attempts:
        return {"error": error, "wake_at": now + find_pause(n_attempts, first_pause)}
    return {"status": NotificationStatus.FAILED, "error": error, "wake_at": None, "ended_at": now}


def judge_answer(code: int) -> SendOutcome:
    """Return the outcome of a webhook whose receiver has answered with the status `code`."""
    if 200 <= code < 300:
        return SendOutcome()
    if 300 <= code < 400:
        return SendOutcome(f"the receiver answered {code}: it points to another address, which is not followed")
    return SendOutcome(f"the receiver answered {code}", may_repeat=code >= 500 or code in (408, 425, 429))
