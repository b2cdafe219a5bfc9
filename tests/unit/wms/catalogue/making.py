"""Tasks in every state, for tests of the pure decisions."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from schemas.automation.builds import BuiltImage, FoundCommit, GitSource, SyncedImage
from schemas.automation.catalogue import CatalogueTask, TaskRecipe, TaskStatus
from schemas.ids import CatalogueTaskId, OrganizationId, RunUuid
from wms.catalogue.life.run_news import RunNews, RunProgress
from wms.catalogue.life.task_decisions import decide_version, make_task, take_build_news
from wms.catalogue.life.task_looks import begin_look, take_commit, take_look_failure
from wms.catalogue.life.version_parts import find_version, get_latest

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
COMMIT, OTHER = "a" * 40, "b" * 40
DIGEST, OTHER_DIGEST = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
RECIPE = TaskRecipe(source=GitSource(url="https://git.example.org/t"), command=("run",), locations=("north", "south"))
_RUNS = count(1)


def new_run() -> RunUuid:
    """Return the id of a run that does not exist."""
    return RunUuid(f"run-{next(_RUNS)}")


def create(**facts: Any) -> CatalogueTask:
    """Return a new task of ada in the organization north."""
    own = {"id": CatalogueTaskId(7), "name": "task1", "organization": OrganizationId("north"), "secret": "s", **facts}
    return make_task(own, RECIPE, owner="ada", run=new_run(), now=NOW)


def look(task: CatalogueTask, commit: str = COMMIT) -> CatalogueTask:
    """Return `task` after its look has found `commit`. If none is under way, one begins."""
    if task.look is None:
        task = begin_look(task, who="ada", run=new_run(), now=NOW)
    found = FoundCommit(commit=commit, subject="Mend it", author="Grace")
    return take_commit(task, found, next_runs=(new_run(), new_run()), now=NOW)


def fail_look(task: CatalogueTask, reason: str = "no route") -> CatalogueTask:
    """Return `task` after its look has failed."""
    return take_look_failure(task, reason, next_run=new_run(), now=NOW)


def approve(task: CatalogueTask, **fields: Any) -> CatalogueTask:
    """Return `task` after its latest version was approved."""
    commit = find_version(task, fields.get("number")).commit
    given = {"who": "boss", "approves": True, "run": new_run(), "now": NOW, "commit": commit, **fields}
    return decide_version(task, **given)


def reject(task: CatalogueTask, **fields: Any) -> CatalogueTask:
    """Return `task` after its latest version was rejected."""
    return approve(task, approves=False, **fields)


def tell(task: CatalogueTask, **news: Any) -> CatalogueTask:
    """Return `task` after the build of its latest version has brought `news`."""
    return take_build_news(task, get_latest(task).last_build, RunNews(**news), NOW)


IMAGE = BuiltImage(digest=DIGEST, size_bytes=12)
SYNCED = {name: SyncedImage(digest=DIGEST, image=f"/images/{name}") for name in RECIPE.locations}


def build(task: CatalogueTask) -> CatalogueTask:
    """Return `task` after the build of its latest version has ended well."""
    return tell(task, progress=RunProgress.ENDED_WELL, image=IMAGE, synced=SYNCED)


def fail_build(task: CatalogueTask, reason: str = "no Dockerfile") -> CatalogueTask:
    """Return `task` after the build of its latest version has failed."""
    return tell(task, progress=RunProgress.FAILED, reason=reason)


def make_in(status: TaskStatus) -> CatalogueTask:
    """Return a task whose only version has `status`, on the way that leads there."""
    task = look(create())
    match status:
        case TaskStatus.PENDING_APPROVAL:
            return task
        case TaskStatus.REJECTED:
            return reject(task)
        case TaskStatus.BUILDING:
            return approve(task)
        case TaskStatus.SYNCING:
            return tell(approve(task), image=IMAGE)
        case TaskStatus.FAILED:
            return fail_build(approve(task))
        case TaskStatus.READY:
            return build(approve(task))
        case _:
            raise AssertionError(status)


def statuses(task: CatalogueTask) -> list[str]:
    """Return the status of each version, the first one first."""
    return [version.status.value for version in task.versions]
