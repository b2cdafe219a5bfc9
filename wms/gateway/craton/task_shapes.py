"""The answers about tasks, made of what is stored."""

import json

from schemas.api.automation.tasks import (
    RunnableTask,
    TaskLocation,
    TaskResourcesBody,
    TaskSeen,
    TaskSummary,
    TaskVersionSeen,
)
from schemas.automation.builds import DirectorySource, GitSource
from schemas.automation.catalogue import CatalogueTask, TaskRecipe, TaskResources, TaskVersion
from wms.catalogue.life.version_parts import find_task_status, get_latest, get_used, list_recipe_authors


def summarize_task(task: CatalogueTask) -> TaskSummary:
    """Return what a list shows of a task."""
    latest, used = get_latest(task), get_used(task)
    return TaskSummary(
        id=task.id,
        name=task.name,
        description=task.description,
        organization=task.organization,
        owner=task.owner,
        visibility=task.visibility,
        roles=task.roles,
        location=print_location(latest.recipe.source),
        status=find_task_status(task),
        reason=_explain_status(task, used or latest),
        ready_version=task.ready_version,
        latest_version=latest.number,
        latest_status=latest.status,
        created_at=task.created_at,
        changed_at=task.changed_at,
        changed_by=task.changed_by,
    )


def _explain_status(task: CatalogueTask, version: TaskVersion) -> str:
    if task.is_disabled:
        return task.disabled_reason
    return version.reason or (task.look_result if not version.commit else "")


def show_task(task: CatalogueTask) -> TaskSeen:
    """Return a task with its versions, the latest first."""
    return TaskSeen(
        **summarize_task(task).model_dump(),
        look=task.look_result,
        is_looking=task.look is not None,
        change_reason=task.change_reason,
        versions=tuple(map(_show_version, reversed(task.versions))),
    )


def _show_version(version: TaskVersion) -> TaskVersionSeen:
    recipe = version.recipe
    return TaskVersionSeen(
        number=version.number,
        status=version.status,
        reason=version.reason,
        author=version.author,
        recipe_authors=list_recipe_authors(version),
        location=_show_location(recipe),
        command=recipe.command,
        fan_out=recipe.fan_out,
        idempotent=recipe.idempotent,
        resources=_show_resources(recipe.resources),
        parameters=_load_parameters(recipe),
        network=recipe.network,
        cluster_locations=recipe.locations,
        commit=version.commit,
        commit_subject=version.subject,
        commit_author=version.commit_author,
        decided_by=version.decided_by,
        decided_at=version.decided_at,
        decision=version.decision,
        build=version.last_build,
        digest=version.digest,
        size_bytes=version.size_bytes,
        images=version.images,
        locations=version.syncs,
        created_at=version.created_at,
        changed_at=version.changed_at,
    )


def show_runnable(task: CatalogueTask, version: TaskVersion) -> RunnableTask:
    """Return what a job of the task runs."""
    return RunnableTask(
        id=task.id,
        name=task.name,
        version=version.number,
        commit=version.commit,
        digest=version.digest,
        images=version.images,
        command=version.recipe.command,
        fan_out=version.recipe.fan_out,
        idempotent=version.recipe.idempotent,
        resources=_show_resources(version.recipe.resources),
        parameters=_load_parameters(version.recipe),
    )


def print_location(source: GitSource | DirectorySource) -> str:
    """Return a source for people: the address without its protocol, the ref, the subdirectory."""
    if isinstance(source, DirectorySource):
        return source.path
    address = source.url.partition("://")[2] or source.url
    subdirectory = f"/{source.subdirectory}" if source.subdirectory else ""
    return f"{address}{subdirectory}{f'@{source.ref}' if source.ref else ''}"


def _show_location(recipe: TaskRecipe) -> TaskLocation:
    source = recipe.source
    if isinstance(source, DirectorySource):
        return TaskLocation(directory=source.path)
    return TaskLocation(git=source.url, ref=source.ref, subdirectory=source.subdirectory, credential=source.credential)


def _show_resources(resources: TaskResources) -> TaskResourcesBody:
    return TaskResourcesBody(
        n_cores=resources.n_cores,
        memory=resources.memory_bytes,
        disk=resources.disk_bytes,
        max_runtime_s=resources.max_runtime_s,
    )


def _load_parameters(recipe: TaskRecipe) -> dict[str, object]:
    found: dict[str, object] = json.loads(recipe.parameters) if recipe.parameters else {}
    return found
