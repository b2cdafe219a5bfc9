"""C19: Craton's table word for word; and our own table and lines of tasks."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from ewms.cli.text.automation.catalogue import craton_table, describe_commit, find_next_command, task_lines, task_table
from schemas.api.automation.tasks import TaskLocation, TaskResourcesBody, TaskSeen, TaskSummary, TaskVersionSeen
from schemas.automation.builds import LocationSync, SyncState
from schemas.automation.catalogue import FanOut, TaskStatus, TaskVisibility

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)
S = TaskStatus


def make_version(number: int, status: TaskStatus, **fields: Any) -> TaskVersionSeen:
    """Return a version."""
    facts: dict[str, Any] = {
        "reason": "",
        "author": "sulochan",
        "location": TaskLocation(git="https://github.com/sulochan/craton_tasks"),
        "command": ("python", "/craton/task1.py"),
        "fan_out": FanOut.HOST,
        "idempotent": False,
        "resources": TaskResourcesBody(),
        "parameters": {},
        "network": (),
        "cluster_locations": ("osg",),
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "commit_subject": "Mend the check",
        "commit_author": "Grace",
        "decided_by": "",
        "decided_at": None,
        "decision": "",
        "build": "",
        "digest": "",
        "size_bytes": 0,
        "images": {},
        "locations": {},
        "created_at": AT,
        "changed_at": AT,
    }
    return TaskVersionSeen(number=number, status=status, **{**facts, **fields})


READY = make_version(
    1,
    S.READY,
    decided_by="boss",
    decided_at=AT,
    decision="read it",
    digest=f"sha256:{'1' * 64}",
    size_bytes=3 * 1024**2,
)


def make_task(*versions: TaskVersionSeen, **fields: Any) -> TaskSeen:
    """Return a task with these versions, the latest first."""
    facts: dict[str, Any] = {
        "id": 12345,
        "name": "task1",
        "description": "",
        "organization": "north",
        "owner": "sulochan",
        "visibility": TaskVisibility.PUBLIC,
        "roles": (),
        "location": "github.com/sulochan/craton_tasks",
        "status": versions[0].status,
        "reason": versions[0].reason,
        "ready_version": next((each.number for each in versions if each.status is S.READY), None),
        "latest_version": versions[0].number,
        "latest_status": versions[0].status,
        "created_at": AT,
        "changed_at": AT,
        "changed_by": "sulochan",
        "look": "",
        "is_looking": False,
        "change_reason": "",
        "versions": versions,
    }
    return TaskSeen(**{**facts, **fields})


def test_c19_craton_shows_one_wide_row_with_the_status_in_its_last_column() -> None:
    line = "-" * 114
    assert craton_table(make_task(READY)).splitlines() == [
        line,
        (
            "| id    | name  | location                         "
            "| command                 | visibility | approved by | Status |"
        ),
        line,
        (
            "| 12345 | task1 | github.com/sulochan/craton_tasks "
            "| python /craton/task1.py | public     | boss        | Ready  |"
        ),
        line,
    ]


def test_the_table_of_one_task_has_no_line_ends_of_users() -> None:
    odd = make_task(READY.model_copy(update={"command": ("sh", "-c", "a\nb")}))
    assert len(craton_table(odd).splitlines()) == 5


def print_out(*things: Any) -> str:
    """Return what a console prints of `things`."""
    console = Console(width=160, highlight=False, color_system=None)
    with console.capture() as captured:
        for thing in things:
            console.print(thing)
    return captured.get()


def test_the_list_names_a_newer_version_that_is_not_in_use() -> None:
    newer = make_task(make_version(2, S.PENDING_APPROVAL), READY, status=S.READY, visibility=TaskVisibility.ROLES)
    shared = newer.model_copy(update={"roles": ("org-member",)})
    rows = print_out(task_table([TaskSummary.model_validate(shared.model_dump(include=set(TaskSummary.model_fields)))]))
    assert "1 (version 2 is Pending approval)" in rows
    assert "org-member" in rows


def test_a_task_shows_its_versions_and_what_to_type_next() -> None:
    failed = make_version(3, S.FAILED, reason="Dockerfile: there is none")
    rejected = make_version(2, S.REJECTED, reason="rejected by boss: no", decided_by="boss", decided_at=AT)
    lines = print_out(*task_lines(make_task(failed, rejected, READY, status=S.READY, reason="", look="the same")))
    assert lines.splitlines() == [
        "task1  12345  Ready",
        "  of sulochan in north, for public",
        "  lives in github.com/sulochan/craton_tasks",
        "  last look at the source: the same",
        "  version 3  Failed  0123456789ab",
        "      Mend the check (Grace)",
        "      Dockerfile: there is none",
        "  version 2  Rejected  0123456789ab",
        "      Mend the check (Grace)",
        "      rejected by boss: no",
        "  version 1  Ready  0123456789ab  in use",
        "      Mend the check (Grace)",
        "      approved by boss, 2026-11-29 12:00:00 UTC: read it",
        f"      sha256:{'1' * 64}, 3 MB",
        "  next: ewms catalogue rebuild 12345",
    ]


def test_a_task_that_syncs_shows_each_location() -> None:
    syncs = {
        "osg": LocationSync(state=SyncState.SYNCED),
        "moon": LocationSync(state=SyncState.UNREACHABLE, reason="no route"),
    }
    lines = print_out(*task_lines(make_task(make_version(1, S.SYNCING, locations=syncs))))
    assert "      osg: synced\n      moon: unreachable: no route\n" in lines


@pytest.mark.parametrize(
    ("version", "command"),
    [
        (make_version(1, S.PENDING_APPROVAL), "ewms catalogue approve 12345 --commit " + READY.commit),
        (make_version(1, S.PENDING_APPROVAL, commit=""), ""),
        (make_version(1, S.BUILDING), "ewms catalogue log 12345 --follow"),
        (make_version(1, S.SYNCING), "ewms catalogue log 12345 --follow"),
        (make_version(1, S.FAILED), "ewms catalogue rebuild 12345"),
        (READY, ""),
        (make_version(1, S.REJECTED), ""),
    ],
)
def test_each_status_has_its_next_command(version: TaskVersionSeen, command: str) -> None:
    assert find_next_command(make_task(version)) == command


def test_a_question_about_a_commit_names_it_and_what_it_says_of_itself_without_controls() -> None:
    version = make_version(
        1, S.PENDING_APPROVAL, commit="a" * 40, commit_subject="Mend\x1b[2J\n it", commit_author="Grace"
    )
    assert describe_commit(version) == f"{'a' * 40} Mend\\x1b[2J it (Grace)"
    assert describe_commit(version.model_copy(update={"commit_subject": ""})) == "a" * 40
