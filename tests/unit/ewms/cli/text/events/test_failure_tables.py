"""Dead letters as the command shows them: whole ids on 80 columns, nothing that a terminal obeys."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ewms.cli.text.events.failure_tables import (
    attempt_lines,
    attempt_table,
    describe_exit,
    error_table,
    explain_uncounted,
    group_table,
    letter_lines,
    letter_table,
    next_command,
)
from schemas.api.failures import DeadLetterGroups, DeadLetterSeen
from schemas.attempts.dead_letters import DeadLetter, LetterGroup
from schemas.attempts.failed_history import Attempt, ErrorGroup
from tests.unit.ewms.cli.text.fleet.test_tables import on_80_columns

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
TASK = "TK-6b00e09f-926a610b-485d2fc0"
ERROR = "ContainerRunError('task failed (exit code 7): cannot square 13\x1b[31m: no such case')"


def letter(**members: Any) -> DeadLetter:
    given = {
        "letter": "0123456789abcdef0123",
        "event_id": "5f0e8a52-1111-2222-3333-444444444444",
        "key": "",
        "task_id": TASK,
        "queue": "a" * 21,
        "reason": "task-failed",
        "error": ERROR,
        "signature": "5c0e2d1a94",
        "attempts": 5,
        "n_replays": 1,
        "worker": "node7",
        "dead_at": AT,
        "n_bytes": 300,
        "content_type": "",
        "excerpt": b"\xff13\x1b",
    }
    return DeadLetter(**given | members)


def attempt(**members: Any) -> Attempt:
    given = dict.fromkeys(("cursor", "key", "queue", "reason", "signature", "pilot", "content_type", "digest"), "") | {
        "event_id": "e",
        "attempt": 2,
        "gave_up": False,
        "task_id": TASK,
        "taskforce_uuid": "TF-1",
        "error": ERROR,
        "last_lines": "Traceback\n  boom\x1b",
        "exit_code": 137,
        "site": "Desert",
        "machine": "node7",
        "slot": "",
        "worker": 3,
        "failed_at": AT,
        "took_s": 1.26,
        "n_bytes": 3,
        "excerpt": b"abc",
    }
    return Attempt(**given | members)


def test_errors_have_their_tasks_and_signatures_whole_on_80_columns() -> None:
    group = LetterGroup(
        task_id=TASK,
        signature="5c0e2d1a94",
        reason="task-failed",
        text=ERROR,
        example=ERROR,
        letter="0" * 20,
        n_letters=12_000,
        n_bytes=1,
        first_at=AT,
        last_at=None,
    )
    brokers = group.model_copy(update={"task_id": "", "text": "left by its pilot"})
    text = on_80_columns(group_table(DeadLetterGroups(groups=[group, brokers], n_letters=2)))
    for words in (TASK, "5c0e2d1a94", "12000", "(the broker)"):
        assert words in text
    assert "\x1b" not in text


def test_letters_have_their_names_whole_on_80_columns() -> None:
    text = on_80_columns(letter_table([letter(), letter(dead_at=None, event_id="")]))
    assert "0123456789abcdef0123" in text
    assert "\x1b" not in text


def test_a_letter_tells_its_event_and_every_attempt_the_first_one_first() -> None:
    seen = DeadLetterSeen(
        dead_letter=letter(headers={"x-mine": "a\x1b"}), attempts=[attempt(attempt=2, exit_code=1), attempt(attempt=1)]
    )
    lines = [line.plain for line in letter_lines(seen)]
    text = "\n".join(lines)
    assert "\x1b" not in text
    for words in ("after 5 attempt(s), replayed 1 time(s)", "300 bytes", r"\xff13\x1b ...", r"x-mine: a\x1b"):
        assert words in text
    assert [line.split(":")[0] for line in lines if line.startswith("attempt")] == ["attempt 1", "attempt 2"]
    assert "  | Traceback\n  |   boom" in text


def test_an_attempt_tells_where_it_was_and_how_it_ended() -> None:
    first, *_ = attempt_lines(attempt(n_replays=1))
    assert first.plain == (
        "attempt 2 after replay 1: 11-28 12:00:00 UTC, 1.3 s, at Desert node7, worker 3 of TF-1, "
        "exit code 137 (SIGKILL)"
    )
    bare, *_ = attempt_lines(attempt(site="", machine="", worker=None, exit_code=None))
    assert bare.plain.endswith("at somewhere")


def test_without_reports_it_is_said_why() -> None:
    *_, last = letter_lines(DeadLetterSeen(dead_letter=letter(), attempts=[]))
    assert "the pilots reported no attempt" in last.plain


@pytest.mark.parametrize(
    ("code", "words"), [(None, ""), (1, ", exit code 1"), (139, ", exit code 139 (SIGSEGV)"), (255, ", exit code 255")]
)
def test_a_signal_is_named(code: int | None, words: str) -> None:
    assert describe_exit(code) == words


def test_attempts_that_ended_the_same_way_are_told_as_one() -> None:
    alike = [attempt(attempt=n, slot=f"slot{n % 2}@node7") for n in (1, 2, 3)]
    seen = DeadLetterSeen(dead_letter=letter(), attempts=[attempt(attempt=4, error="KeyError"), *reversed(alike)])
    headings = [line.plain for line in letter_lines(seen) if line.plain.startswith("attempt")]
    assert headings[0] == (
        "attempts 1-3: 11-28 12:00:00 to 11-28 12:00:00 UTC, at Desert slot1@node7, Desert slot0@node7, "
        "exit code 137 (SIGKILL): same error"
    )
    assert headings[1].startswith("attempt 4: ")
    assert sum("Traceback" in line.plain for line in letter_lines(seen)) == 2


def test_an_attempt_that_a_worker_gave_back_is_told_apart_from_one_that_counts() -> None:
    given_back = attempt(attempt=2, counts=False)
    seen = DeadLetterSeen(dead_letter=letter(), attempts=[attempt(attempt=2), given_back])
    headings = [line.plain for line in letter_lines(seen) if line.plain.startswith("attempt")]
    assert headings[0].startswith("attempt 2 (not counted: the worker gave the event back): ")
    assert headings[1].startswith("attempt 2: ")
    rows = on_80_columns(attempt_table([attempt(attempt=2), given_back])).splitlines()
    assert sum(" 2* " in row for row in rows) == sum(" 2 " in row for row in rows) == 1
    assert explain_uncounted(0) == ""
    assert explain_uncounted(3).startswith("3 failed attempt(s) do not count: ")


@pytest.mark.parametrize(("header", "is_explained"), [("x-delivery-count", True), ("x-run", False)])
def test_the_brokers_count_of_a_letters_readers_is_no_count_of_attempts(header: str, *, is_explained: bool) -> None:
    lines = [line.plain for line in letter_lines(DeadLetterSeen(dead_letter=letter(headers={header: 3}), attempts=[]))]
    (line,) = [line for line in lines if header in line]
    assert ("how often EWMS has read this letter before" in line) == is_explained


def test_attempts_that_a_killed_worker_could_not_report_are_named() -> None:
    told = [attempt(attempt=7, error="EventKilledWorkers('x')"), attempt(attempt=2, n_replays=1), attempt(attempt=1)]
    seen = DeadLetterSeen(dead_letter=letter(attempts=7), attempts=told)
    *_, last = [line.plain for line in letter_lines(seen)]
    # The letter was replayed once; the attempts before that count from 1, too.
    assert last.startswith(
        "no pilot has reported attempt(s) 1, 3, 4, 5, 6, 7: the worker was killed or lost the broker"
    )
    whole = DeadLetterSeen(dead_letter=letter(attempts=1, n_replays=0), attempts=[attempt(attempt=1)])
    assert not [line for line in letter_lines(whole) if "no pilot has reported" in line.plain]


def test_the_remedy_of_an_ended_workflow_names_the_queue_that_the_letter_came_from() -> None:
    assert "| ewms queue publish NEW 'my words' -" in next_command("WF-1", letter(), is_over=True, alias="my words")
    assert "| ewms queue publish NEW ALIAS -" in next_command("WF-1", letter(), is_over=True)


def test_the_counts_of_reports_are_named_as_at_least() -> None:
    group = ErrorGroup(
        task_id=TASK, signature="5c0e2d1a94", text="x", example=ERROR, event_id="e", n_attempts=75, n_events=30,
        n_machines=2, first_at=AT, last_at=AT,
    )  # fmt: skip
    names, marks, *_ = [line for line in on_80_columns(error_table([group])).splitlines() if line.strip()]
    assert names.split()[:3] == ["attempts", "events", "machines"]
    assert marks.split()[:6] == ["at", "least"] * 3


def test_the_counts_of_an_error_leave_out_what_workers_gave_back() -> None:
    group = ErrorGroup(
        task_id=TASK, signature="5c0e2d1a94", text="x", example=ERROR, event_id="e", n_attempts=8, n_uncounted=3,
        n_events=1, n_machines=2, first_at=AT, last_at=AT,
    )  # fmt: skip
    *_, row = [line for line in on_80_columns(error_table([group])).splitlines() if "5c0e2d1a94" in line]
    assert row.split()[:3] == ["5", "1", "2"], "no event has more than five attempts"
