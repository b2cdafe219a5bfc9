"""What the terminal says of a job, and what to type next."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ewms.cli.text.automation.jobs import LogLines, job_lines
from schemas.api.automation.jobs import JobLogPart, JobSeen


@pytest.mark.parametrize(
    ("status", "hosts", "command"),
    [
        ("failed", {"failed": 1, "ok": 2}, "--state failed;"),
        ("error", {"error": 1, "ok": 2}, "--state error;"),
        ("error", {"error": 1, "failed": 2}, "--state failed;"),
    ],
)
def test_the_next_command_lists_hosts_that_exist(status: str, hosts: dict[str, int], command: str) -> None:
    fields: dict[str, Any] = {"id": 7, "title": "patch", "status": status, "hosts": hosts, "tasks": (), "limit": ""}
    fields |= {"n_hosts": 3, "inventory_name": "lab", "batches": (3,), "strategy": "linear", "owner": "ada"}
    fields |= {"explanation": "no slot fits", "ended_at": "then"}
    lines = list(job_lines(cast("JobSeen", SimpleNamespace(**fields))))
    assert command in lines[-1].plain
    assert "  no slot fits" in [line.plain for line in lines]


@pytest.mark.parametrize(
    ("named", "whole", "rest"),
    [
        (False, "one\noops\ntwo\n", "other\n"),
        (True, "alpha 1 | one\nalpha 1 | oops\nalpha 1 | two\n", "beta 1 | other\n"),
    ],
)
def test_c32_lines_of_several_streams_stay_whole_wherever_their_pieces_end(named: bool, whole: str, rest: str) -> None:
    def make_part(host: str, stream: str, text: str) -> JobLogPart:
        at = datetime(2026, 12, 1, tzinfo=UTC)
        return JobLogPart(host=host, task=1, attempt=1, stream=stream, text=text, is_cut=False, at=at)

    lines = LogLines(named=named)
    parts = [
        make_part("alpha", "stdout", "one\ntw"),
        make_part("alpha", "stderr", "oops\n"),
        make_part("beta", "stdout", "other"),
        make_part("alpha", "stdout", "o\n"),
    ]
    assert "".join(map(lines.add_part, parts)) == whole
    assert (lines.end_log(), lines.end_log()) == (rest, "")
