"""What a look at a task's source means for its versions."""

import pytest

from schemas.automation.catalogue import MAX_VERSIONS, CatalogueTask, TaskStatus
from schemas.errors import Conflict
from tests.unit.wms.catalogue.making import (
    COMMIT,
    NOW,
    OTHER,
    approve,
    build,
    create,
    fail_build,
    fail_look,
    look,
    make_in,
    new_run,
    reject,
    statuses,
)
from wms.catalogue.life.task_looks import begin_look, restart_look
from wms.catalogue.life.version_parts import get_latest, get_used, settle_task

READY = TaskStatus.READY


def test_the_first_commit_belongs_to_the_version_that_waits() -> None:
    task = look(create())
    version = get_latest(task)
    assert (version.commit, version.subject, version.commit_author) == (COMMIT, "Mend it", "Grace")
    assert statuses(task) == ["Pending approval"]
    assert task.look is None


@pytest.mark.parametrize("status", [status for status in TaskStatus if status is not TaskStatus.DISABLED])
def test_another_commit_makes_a_version_that_waits_and_the_one_in_use_stays(status: TaskStatus) -> None:
    """Contract 3.4: a new commit goes back to Pending approval while the old Ready version stays usable."""
    before = make_in(status)
    after = look(before, OTHER)
    assert (get_latest(after).number, get_latest(after).commit) == (2, OTHER)
    assert get_latest(after).status is TaskStatus.PENDING_APPROVAL
    assert get_used(after) == get_used(before)
    first = after.versions[0]
    if status is TaskStatus.PENDING_APPROVAL:
        assert (first.status, first.reason) == (TaskStatus.REJECTED, "version 2 has taken its place")
    else:
        assert first == before.versions[0]


@pytest.mark.parametrize(
    "status", [TaskStatus.PENDING_APPROVAL, TaskStatus.BUILDING, TaskStatus.READY, TaskStatus.REJECTED]
)
def test_the_same_commit_changes_nothing(status: TaskStatus) -> None:
    before = make_in(status)
    after = look(before)
    assert after.versions == before.versions
    assert after.look_result == "the commit is the same as that of the latest version"


def test_the_same_commit_is_built_again_after_a_failure_without_another_approval() -> None:
    failed = make_in(TaskStatus.FAILED)
    again = look(failed)
    assert statuses(again) == ["Building"]
    assert get_latest(again).last_build == "7-1-2"
    assert get_latest(again).decided_by == "boss"
    assert statuses(build(again)) == ["Ready"]


def test_on_request_the_same_commit_makes_a_version() -> None:
    ready = begin_look(make_in(READY), who="ada", run=new_run(), now=NOW, makes_version=True)
    after = look(ready)
    assert statuses(after) == ["Ready", "Pending approval"]
    assert (get_latest(after).commit, get_latest(after).author) == (COMMIT, "ada")


def test_a_failed_look_fails_only_a_version_without_a_commit() -> None:
    failed = fail_look(create(), "location: no such repository")
    assert statuses(failed) == ["Failed"]
    assert get_latest(failed).reason == failed.look_result == "location: no such repository"
    waiting = begin_look(failed, who="ada", run=new_run(), now=NOW)
    assert statuses(waiting) == ["Pending approval"]
    assert statuses(look(waiting)) == ["Pending approval"]
    ready = fail_look(begin_look(make_in(READY), who="ada", run=new_run(), now=NOW), "no route")
    assert (statuses(ready), ready.look_result) == (["Ready"], "no route")


def test_who_asks_during_a_look_gets_another_one_after_it() -> None:
    begun = begin_look(make_in(READY), who="ada", run=new_run(), now=NOW)
    asked = begin_look(begun, who="webhook", run=new_run(), now=NOW)
    assert asked.look is not None
    assert asked.look.run == (begun.look and begun.look.run)
    after = look(asked)
    assert after.look is not None
    assert after.look.number == begun.n_looks + 1
    assert look(after).look is None


def test_a_look_at_a_former_source_does_not_count() -> None:
    begun = create()
    restarted = restart_look(begun, who="ada", run=new_run(), now=NOW)
    assert begun.look is not None
    assert restarted.look is not None
    assert restarted.look.run != begun.look.run


def test_an_end_without_a_look_is_refused() -> None:
    with pytest.raises(Conflict, match="no look at the task's source is under way"):
        fail_look(make_in(READY))


def test_a_task_forgets_old_versions_but_never_the_one_in_use_nor_a_build() -> None:
    task = look(approve(look(build(approve(look(create()))), OTHER)), COMMIT)
    for number in range(MAX_VERSIONS):
        task = look(reject(task), f"{number:040x}")
    assert len(task.versions) == MAX_VERSIONS
    assert task.n_versions == MAX_VERSIONS + 3
    assert [version.number for version in task.versions][:2] == [1, 2]
    assert get_used(task) == task.versions[0]
    assert task.versions[1].build is not None


@pytest.mark.parametrize(
    ("task", "status", "busy"),
    [
        (create(), "Pending approval", True),
        (make_in(TaskStatus.PENDING_APPROVAL), "Pending approval", False),
        (make_in(TaskStatus.BUILDING), "Building", True),
        (make_in(READY), "Ready", False),
        (look(make_in(READY), OTHER), "Ready", False),
        (approve(look(make_in(READY), OTHER)), "Ready", True),
        (fail_build(approve(look(make_in(READY), OTHER))), "Ready", False),
        (make_in(READY).model_copy(update={"is_disabled": True}), "Disabled", False),
    ],
)
def test_c17_a_tasks_status_is_that_of_the_version_in_use_or_of_the_latest(
    task: CatalogueTask, status: str, busy: bool
) -> None:
    settled = settle_task(task)
    assert (settled.status.value, settled.is_busy) == (status, busy)
