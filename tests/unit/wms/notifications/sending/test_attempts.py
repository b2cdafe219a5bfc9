"""When a notification is sent again, and when it has failed."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.automation.notifications import NotificationStatus
from wms.notifications.sending.attempts import MAX_ATTEMPTS, SendOutcome, find_pause, judge_answer, settle_attempt

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "is_sent", "may_repeat"),
    [
        (200, True, False),
        (202, True, False),
        (301, False, False),
        (400, False, False),
        (404, False, False),
        (408, False, True),
        (429, False, True),
        (500, False, True),
        (503, False, True),
    ],
)
def test_the_answer_of_a_webhook_decides(code: int, is_sent: bool, may_repeat: bool) -> None:
    outcome = judge_answer(code)
    assert (outcome.error == "", outcome.may_repeat) == (is_sent, may_repeat)


@pytest.mark.parametrize(
    ("outcome", "n_attempts", "status"),
    [
        (SendOutcome(), 1, "successful"),
        (SendOutcome(), MAX_ATTEMPTS, "successful"),
        (SendOutcome("no", may_repeat=True), 1, ""),
        (SendOutcome("no", may_repeat=True), MAX_ATTEMPTS, "failed"),
        (SendOutcome("no"), 1, "failed"),
    ],
)
def test_an_attempt_settles_a_notification_or_makes_it_due_again(
    outcome: SendOutcome, n_attempts: int, status: str
) -> None:
    fields = settle_attempt(outcome, n_attempts=n_attempts, max_attempts=MAX_ATTEMPTS, now=NOW)
    if status:
        assert (fields["status"], fields["wake_at"], fields["ended_at"]) == (NotificationStatus(status), None, NOW)
    else:
        assert (fields["wake_at"], fields["error"]) == (NOW + timedelta(seconds=5), "no")
        assert "status" not in fields


def test_pauses_grow_and_have_an_end() -> None:
    pauses = [find_pause(n).total_seconds() for n in range(1, 9)]
    assert pauses == [5, 20, 80, 320, 1200, 1200, 1200, 1200]
    assert find_pause(10**9) == timedelta(minutes=20)


def test_a_long_error_is_cut() -> None:
    fields = settle_attempt(SendOutcome("x" * 10_000), n_attempts=1, max_attempts=1, now=NOW)
    assert len(fields["error"]) == 1000
