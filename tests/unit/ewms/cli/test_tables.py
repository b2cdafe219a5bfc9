"""What the command says of a taskforce's health, and when it says nothing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ewms.cli.tables import health_lines
from schemas.api import TaskforceHealth

WELL: dict[str, Any] = {
    "stuck": "",
    "n_submit_failures": 0,
    "n_remove_failures": 0,
    "retry_at": None,
    "ended_at": None,
    "status_as_of": datetime(2026, 11, 21, tzinfo=UTC),
    "exit_codes": {},
    "stale": False,
}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"stuck": "no room"}, ["stuck: no room"]),
        (
            {"unmatched": "no slot offers 999 GB of memory; the largest has 16 GB"},
            ["no worker can start: no slot offers 999 GB of memory; the largest has 16 GB"],
        ),
        ({"stale": True}, ["the statuses are of 2026-11-21 00:00:00+00:00: nothing has been heard since"]),
        ({"exit_codes": {"-9": 1, "0": 4}}, ["pilots that ended: 1 with signal 9, 4 with exit code 0"]),
    ],
)
def test_only_what_is_wrong_and_how_pilots_ended_is_said(wrong: dict[str, Any], said: list[str]) -> None:
    assert [line.plain for line in health_lines(TaskforceHealth.model_validate({**WELL, **wrong}))] == said
