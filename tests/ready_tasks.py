"""Catalogue tasks that are Ready in a running system without a build: their image is a directory that is there."""

from collections.abc import Iterable, Sequence
from typing import Any

from deploy.local.choices.launch_options import LOCATION
from runtime.kernel.store import Store
from schemas.automation.catalogue import CatalogueTask, TaskResources, TaskStatus
from schemas.ids import CatalogueTaskId, OrganizationId
from tests.unit.wms.catalogue.making import make_in
from wms.catalogue.task_store import TaskStore

_RESOURCES = TaskResources(memory="64M", disk="64M", max_runtime_s=120)


async def add_ready_tasks(
    store: Store, names: Iterable[str], *, image: str, command: Sequence[str], **recipe: Any
) -> list[CatalogueTaskId]:
    """Store a public task of the default organization for each name; return their ids.

    A task runs `command` and its own name in `image`. `recipe` has further fields of the recipes.
    """
    tasks, made = TaskStore(store), make_in(TaskStatus.READY)
    version, ids = made.versions[-1], []
    for name in names:
        fields = {"locations": (LOCATION,), "command": (*command, name), "resources": _RESOURCES, **recipe}
        number = CatalogueTaskId(await tasks.take_task_id())
        own = {
            "id": number,
            "name": name,
            "visibility": "public",
            "organization": OrganizationId("default"),
            "versions": (
                version.model_copy(
                    update={"recipe": version.recipe.model_copy(update=fields), "images": {LOCATION: image}}
                ),
            ),
        }
        await tasks.add_task(CatalogueTask.model_validate({**made.model_dump(), **own}), None)
        ids.append(number)
    return ids
