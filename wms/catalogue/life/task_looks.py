"""Look at a task's source: begin a look, and decide what its end means for the versions. (core)

what the look finds                        what follows
the first commit of the latest version     the version has it, and may be approved
another commit                             a new version, which waits for approval; the one in use stays
the same commit, and the build failed      an approved version is built again
the same commit otherwise                  nothing, unless the one who asked wants a new version of it
no commit, but a reason                    a version without a commit is Failed; others stay as they are
"""

from datetime import datetime

from schemas.automation.builds import FoundCommit
from schemas.automation.catalogue import CatalogueTask, SourceLook, TaskStatus
from schemas.errors import Conflict
from schemas.ids import RunUuid
from wms.catalogue.life.version_lifecycle import VersionEvent
from wms.catalogue.life.version_parts import (
    add_version,
    begin_build,
    get_latest,
    list_recipe_authors,
    move_version,
    replace_version,
)


def begin_look(
    task: CatalogueTask, *, who: str, run: RunUuid, now: datetime, makes_version: bool = False
) -> CatalogueTask:
    """Return `task` with a look at its source, which the run `run` carries out.

    If a look is under way, one more follows it, because the source may have changed since that began.
    """
    if task.look is not None:
        again = task.look.model_copy(
            update={"is_asked_again": True, "makes_version": task.look.makes_version or makes_version}
        )
        return task.model_copy(update={"look": again})
    return _start_look(task, who=who, run=run, now=now, makes_version=makes_version)


def restart_look(task: CatalogueTask, *, who: str, run: RunUuid, now: datetime) -> CatalogueTask:
    """Return `task` with a new look at its source, because its recipe names another source now.

    What a look at the former source finds does not count.
    """
    return _start_look(task, who=who, run=run, now=now, makes_version=False)


def _start_look(task: CatalogueTask, *, who: str, run: RunUuid, now: datetime, makes_version: bool) -> CatalogueTask:
    number = task.n_looks + 1
    look = SourceLook(number=number, run=run, who=who, began_at=now, makes_version=makes_version)
    latest = get_latest(task)
    if latest.status is TaskStatus.FAILED and not latest.is_approved:
        task = replace_version(task, move_version(latest, VersionEvent.LOOK_AGAIN, now))
    return task.model_copy(update={"look": look, "n_looks": number, "look_result": ""})


def take_commit(
    task: CatalogueTask, found: FoundCommit, *, next_runs: tuple[RunUuid, RunUuid], now: datetime
) -> CatalogueTask:
    """Return `task` after its look has found the state `found` of the source.

    `next_runs` are the ids of the runs that may follow: of a build, and of one more look.

    Raises:
        Conflict: no look is under way.
    """
    look = _get_look(task)
    task = task.model_copy(update={"look": None})
    latest = get_latest(task)
    facts = {"commit": found.commit, "subject": found.subject, "commit_author": found.author}
    if not latest.commit:
        task = replace_version(task, latest.model_copy(update={**facts, "changed_at": now, "reason": ""}))
        return _finish_look(task, look, f"found the commit {found.commit}", next_runs[1], now)
    if found.commit == latest.commit and latest.status is TaskStatus.FAILED and latest.is_approved:
        moved = move_version(latest, VersionEvent.BUILD_AGAIN, now)
        task = replace_version(task, begin_build(task, moved, next_runs[0], now))
        return _finish_look(task, look, "the commit is the same, and is built again", next_runs[1], now)
    if found.commit != latest.commit or (look.makes_version and latest.status is not TaskStatus.PENDING_APPROVAL):
        task = add_version(
            task, latest.recipe, author=look.who, recipe_authors=list_recipe_authors(latest), now=now, **facts
        )
        result = f"version {task.n_versions} waits for approval"
        return _finish_look(task, look, result, next_runs[1], now)
    return _finish_look(task, look, "the commit is the same as that of the latest version", next_runs[1], now)


def take_look_failure(task: CatalogueTask, reason: str, *, next_run: RunUuid, now: datetime) -> CatalogueTask:
    """Return `task` after its look has failed for `reason`. `next_run` is the id of one more look, if one follows.

    Raises:
        Conflict: no look is under way.
    """
    look = _get_look(task)
    task = task.model_copy(update={"look": None})
    latest = get_latest(task)
    if not latest.commit and latest.status is TaskStatus.PENDING_APPROVAL:
        task = replace_version(task, move_version(latest, VersionEvent.LOOK_FAILED, now, reason=reason))
    return _finish_look(task, look, reason, next_run, now)


def note_look_wait(task: CatalogueTask, reason: str) -> CatalogueTask:
    """Return `task` with the reason why its look has not ended yet."""
    return task if not reason else task.model_copy(update={"look_result": reason})


def _get_look(task: CatalogueTask) -> SourceLook:
    if task.look is None:
        raise Conflict("no look at the task's source is under way")
    return task.look


def _finish_look(task: CatalogueTask, look: SourceLook, result: str, run: RunUuid, now: datetime) -> CatalogueTask:
    task = task.model_copy(update={"look_result": result, "changed_at": now})
    if look.is_asked_again:
        return _start_look(task, who=look.who, run=run, now=now, makes_version=False)
    return task
