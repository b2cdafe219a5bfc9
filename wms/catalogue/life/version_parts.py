"""Make and replace the versions of a task, and read what follows from them. (core)"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from schemas.automation.builds import LocationSync, SyncState
from schemas.automation.catalogue import (
    MAX_VERSIONS,
    CatalogueTask,
    OpenBuild,
    TaskRecipe,
    TaskStatus,
    TaskVersion,
)
from schemas.errors import NotFound
from schemas.ids import RunUuid
from wms.catalogue.life.version_lifecycle import VersionEvent, find_status_after


def find_task_status(task: CatalogueTask) -> TaskStatus:
    """Return the status of a task: Disabled, Ready if a version is in use, or else that of its latest version."""
    if task.is_disabled:
        return TaskStatus.DISABLED
    if task.ready_version is not None:
        return TaskStatus.READY
    return get_latest(task).status


def get_latest(task: CatalogueTask) -> TaskVersion:
    """Return the latest version. Every task has one."""
    return task.versions[-1]


def find_version(task: CatalogueTask, number: int | None) -> TaskVersion:
    """Return the version `number`; None: the latest one.

    Raises:
        NotFound: the task has no such version, or has forgotten it.
    """
    if number is None:
        return get_latest(task)
    for version in task.versions:
        if version.number == number:
            return version
    known = ", ".join(str(version.number) for version in task.versions)
    raise NotFound(f"task {task.id} has no version {number}", hint=f"its versions: {known}")


def get_used(task: CatalogueTask) -> TaskVersion | None:
    """Return the version in use; None: none has been Ready yet."""
    return None if task.ready_version is None else find_version(task, task.ready_version)


def list_recipe_authors(version: TaskVersion) -> tuple[str, ...]:
    """Return who has written the recipe of `version`. Versions of an earlier EWMS know only who asked for them."""
    return version.recipe_authors or (version.author,)


def add_version(
    task: CatalogueTask,
    recipe: TaskRecipe,
    *,
    author: str,
    recipe_authors: tuple[str, ...],
    now: datetime,
    **fields: Any,
) -> CatalogueTask:
    """Return `task` with one more version, which waits for approval. Earlier ones that wait are superseded."""
    number = task.n_versions + 1
    known = {**fields, "author": author, "recipe_authors": recipe_authors}
    made = TaskVersion(number=number, recipe=recipe, created_at=now, changed_at=now, **known)
    kept = [_supersede(version, number, now) for version in task.versions]
    return task.model_copy(update={"versions": (*_forget_old(kept, task.ready_version), made), "n_versions": number})


def _supersede(version: TaskVersion, by: int, now: datetime) -> TaskVersion:
    if version.status is not TaskStatus.PENDING_APPROVAL:
        return version
    return move_version(version, VersionEvent.SUPERSEDE, now, reason=f"version {by} has taken its place")


def _forget_old(versions: list[TaskVersion], used: int | None) -> Iterable[TaskVersion]:
    """Return at most `MAX_VERSIONS` - 1 versions: leave out the oldest that are neither in use nor under way."""
    n_over = len(versions) - (MAX_VERSIONS - 1)
    for version in versions:
        if n_over > 0 and version.number != used and version.build is None:
            n_over -= 1
            continue
        yield version


def move_version(version: TaskVersion, event: VersionEvent, now: datetime, **fields: Any) -> TaskVersion:
    """Return `version` after `event`, with these `fields` too. Without a `reason` it has none.

    Raises:
        Conflict: that cannot happen to it.
    """
    status = find_status_after(version.status, event)
    return version.model_copy(update={"reason": "", **fields, "status": status, "changed_at": now})


def replace_version(task: CatalogueTask, version: TaskVersion) -> CatalogueTask:
    """Return `task` with `version` in the place of the one with its number."""
    versions = tuple(version if each.number == version.number else each for each in task.versions)
    return task.model_copy(update={"versions": versions})


def begin_build(task: CatalogueTask, version: TaskVersion, run: RunUuid, now: datetime) -> TaskVersion:
    """Return `version` with a new build, which the run `run` carries out. What an earlier one reported is gone."""
    number = version.n_builds + 1
    build = OpenBuild(id=name_build(task.id, version.number, number), run=run, began_at=now)
    waiting = {location: LocationSync(state=SyncState.WAITING) for location in version.recipe.locations}
    update = {"build": build, "n_builds": number, "last_build": build.id, "syncs": waiting, "images": {}}
    return version.model_copy(update={**update, "digest": "", "size_bytes": 0})


def name_build(task: int, version: int, number: int) -> str:
    """Return the id of a build of a version."""
    return f"{task}-{version}-{number}"


def settle_task(task: CatalogueTask) -> CatalogueTask:
    """Return `task` with the fields that follow from the others, for queries: `status` and `is_busy`."""
    busy = task.look is not None or any(version.build is not None for version in task.versions)
    return task.model_copy(update={"is_busy": busy, "status": find_task_status(task)})
