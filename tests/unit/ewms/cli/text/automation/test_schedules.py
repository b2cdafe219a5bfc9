"""Schedules as text: the next times, and what became of the last one."""

from typing import Any

from rich.console import Console

from ewms.cli.text.automation.schedules import schedule_lines, schedule_table

SCHEDULE: dict[str, Any] = {
    "id": 3,
    "name": "nightly",
    "rrule": "DTSTART:20260101T000000Z RRULE:FREQ=DAILY",
    "enabled": True,
    "next_run": "2026-11-30T00:00:00.000000Z",
    "summary_fields": {"unified_job_template": {"name": "release"}},
    "last_occurrence": {"at": "2026-11-29T00:00:00.000000Z", "job": 7, "skipped": 2, "refusal": ""},
}


def write(schedule: dict[str, Any], *following: str) -> str:
    return "\n".join(line.plain for line in schedule_lines(schedule, following))


def test_a_schedule_shows_its_next_times_and_its_last_job() -> None:
    text = write(SCHEDULE, "2026-11-30T01:00:00+01:00")
    assert "nightly  schedule 3  of release" in text
    assert "next: 2026-11-30 00:00:00 UTC\n    2026-11-30T01:00:00+01:00" in text
    assert "last: 2026-11-29 00:00:00 UTC job 7, 2 before it skipped" in text


def test_a_schedule_shows_what_it_skips() -> None:
    text = write({**SCHEDULE, "start_deadline_s": 60, "skip_if_running": True})
    assert "skips an occurrence that comes more than 60 s late" in text
    assert "while an earlier job of it is not over" in text
    assert "skips" not in write({**SCHEDULE, "start_deadline_s": None, "skip_if_running": False})


def test_a_refusal_a_disabled_one_and_one_that_is_over_are_told() -> None:
    refused = {"at": "2026-11-29T00:00:00.000000Z", "job": None, "skipped": 0, "refusal": "ada may not"}
    assert "did not launch: ada may not" in write({**SCHEDULE, "last_occurrence": refused})
    assert "next: disabled" in write({**SCHEDULE, "enabled": False, "next_run": None, "last_occurrence": None})
    assert "next: none is left" in write({**SCHEDULE, "next_run": None})


def test_a_table_has_a_row_for_each_schedule() -> None:
    console = Console(width=200, record=True)
    console.print(schedule_table([SCHEDULE, {**SCHEDULE, "id": 4, "name": "hourly [x]"}]))
    text = console.export_text()
    assert "hourly [x]" in text
    assert text.count("job 7") == 2
