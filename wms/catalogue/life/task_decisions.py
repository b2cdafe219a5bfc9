"""What people decide about a task, and what its builds bring. (core)

create ──► version 1, and a look at its source       change_recipe ──► a new version, and a look at its source
decide_version ──► a build, or Rejected              take_build_news ──► Syncing, Ready, Failed
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.automation.builds import SyncedImage
from schemas.automation.catalogue import CatalogueTask, TaskRecipe, TaskStatus, TaskVersion
from schemas.errors import Conflict, Forbidden, Rejected
from schemas.ids import RunUuid
from wms.catalogue.life.run_news import RunNews, RunProgress
from wms.catalogue.life.task_looks import restart_look
from wms.catalogue.life.version_lifecycle import VersionEvent, find_status_after
from wms.catalogue.life.version_parts import (
    add_version,
    begin_build,
    find_version,
    get_latest,
    get_used,
    list_recipe_authors,
    move_version,
    replace_version,
)


def make_task(
    facts: Mapping[str, Any], recipe: TaskRecipe, *, owner: str, run: RunUuid, now: datetime
) -> CatalogueTask:
    """Return a new task whose version 1 waits for approval. The run `run` looks at its source."""
    task = CatalogueTask(**facts, owner=owner, created_at=now, changed_at=now, changed_by=owner)
    made = add_version(task, recipe, author=owner, recipe_authors=(owner,), now=now)
    return restart_look(made, who=owner, run=run, now=now)


def change_recipe(task: CatalogueTask, recipe: TaskRecipe, *, who: str, run: RunUuid, now: datetime) -> CatalogueTask:
    """Return `task` with a new version of the recipe `recipe`, or as it is if the recipe is the same.

    The version in use stays in use.
    """
    latest = get_latest(task)
    if recipe == latest.recipe:
        return task
    # What others have written, and another person has not approved yet, is still in the recipe.
    earlier = () if latest.is_approved else list_recipe_authors(latest)
    authors = tuple(dict.fromkeys((*earlier, who)))
    made = add_version(task, recipe, author=who, recipe_authors=authors, now=now)
    return restart_look(made, who=who, run=run, now=now)


def decide_version(
    task: CatalogueTask,
    *,
    who: str,
    approves: bool,
    run: RunUuid,
    now: datetime,
    number: int | None = None,
    commit: str = "",
    reason: str = "",
    needs_another: bool = False,
) -> CatalogueTask:
    """Return `task` after `who` has approved or rejected a version; without a `number` the latest one.

    An approval names the `commit` that it means. The run `run` builds an approved version. With
    `needs_another`, an approval of one's own work is refused.

    Raises:
        NotFound: there is no such version.
        Conflict: it does not wait for approval, its commit is not known yet, or it has another commit.
        Rejected: the approval names no commit.
        Forbidden: `who` is its author or an author of its recipe, or the task's owner, and another person must
            approve.
    """
    version = find_version(task, number)
    event = VersionEvent.APPROVE if approves else VersionEvent.REJECT
    find_status_after(version.status, event)
    decided = {"decided_by": who, "decided_at": now, "decision": reason, "is_approved": approves}
    if not approves:
        why = f"rejected by {who}" + (f": {reason}" if reason else "")
        return replace_version(task, move_version(version, event, now, **decided, reason=why))
    if not version.commit:
        raise Conflict(
            f"the commit of version {version.number} is not known yet, so there is nothing to approve",
            hint=task.look_result or "wait until the builder has looked at the source",
        )
    if not commit:
        raise Rejected(
            "'commit': an approval names the commit that it means",
            hint=f"read version {version.number}, and send its commit: {version.commit}",
        )
    if version.commit != commit:
        raise Conflict(f"version {version.number} has another commit: {version.commit}", hint="look at it again")
    if needs_another and who in (version.author, *list_recipe_authors(version), task.owner):
        raise Forbidden(
            f"version {version.number} must be approved by somebody else than its author, the authors of its recipe"
            " and the owner of the task",
            hint="ask another admin of the organization",
        )
    moved = move_version(version, event, now, **decided)
    return replace_version(task, begin_build(task, moved, run, now))


def take_build_news(task: CatalogueTask, build: str, news: RunNews, now: datetime) -> CatalogueTask:
    """Return `task` after the run of `build` has brought `news`. It is the same if they change nothing.

    A build that is no longer under way changes nothing.
    """
    version = next((each for each in task.versions if each.build is not None and each.build.id == build), None)
    if version is None:
        return task
    after = _take_image(version, news, now)
    if news.progress is RunProgress.FAILED:
        after = _end_build(after, VersionEvent.BUILD_FAILED, now, reason=news.reason)
    elif news.progress is RunProgress.ENDED_WELL:
        lack = _find_lack(after, news)
        if lack:
            after = _end_build(after, VersionEvent.BUILD_FAILED, now, reason=lack)
        else:
            images = {location: news.synced[location].image for location in version.recipe.locations}
            after = _end_build(after, VersionEvent.SYNCED, now, images=images)
    elif news.reason and news.reason != after.reason:
        after = after.model_copy(update={"reason": news.reason, "changed_at": now})
    if after == version:
        return task
    task = replace_version(task, after)
    if after.status is TaskStatus.READY:
        task = task.model_copy(update={"ready_version": max(after.number, task.ready_version or 0)})
    return task


def _take_image(version: TaskVersion, news: RunNews, now: datetime) -> TaskVersion:
    if news.image is None or version.status is not TaskStatus.BUILDING:
        return version
    return move_version(version, VersionEvent.BUILT, now, digest=news.image.digest, size_bytes=news.image.size_bytes)


def _end_build(version: TaskVersion, event: VersionEvent, now: datetime, **fields: Any) -> TaskVersion:
    return move_version(version, event, now, **fields, build=None)


def _find_lack(version: TaskVersion, news: RunNews) -> str:
    """Return what a run that has ended well has not left; "" if it has left everything."""
    if news.image is None:
        return "the builder has ended without an image"
    wrong = [each for each in version.recipe.locations if not _is_synced(news.synced.get(each), version.digest)]
    return f"the builder has ended without the image at: {', '.join(wrong)}" if wrong else ""


def _is_synced(synced: SyncedImage | None, digest: str) -> bool:
    return synced is not None and synced.digest == digest


def pin_version(task: CatalogueTask) -> TaskVersion:
    """Return the version that a job runs now.

    Raises:
        Conflict: no version is Ready, or the task is disabled.
    """
    used = get_used(task)
    if task.is_disabled:
        raise Conflict(f"task {task.name!r} is disabled", hint=task.disabled_reason or "an admin may enable it")
    if used is None:
        latest = get_latest(task)
        raise Conflict(
            f"task {task.name!r} is not Ready: version {latest.number} is {latest.status.value}",
            hint=latest.reason or _NEXT.get(latest.status, ""),
        )
    return used


_NEXT: Mapping[TaskStatus, str] = {
    TaskStatus.PENDING_APPROVAL: "an admin of its organization approves it: ewms catalogue approve",
    TaskStatus.BUILDING: "its image is being built",
    TaskStatus.SYNCING: "its image is on its way to the clusters",
}
