"""What the terminal says of a job, and what to type next."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ewms.cli.text.automation.jobs import job_lines
from schemas.api.automation.jobs import JobSeen


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
