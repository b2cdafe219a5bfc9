"""Delete tasks, for principals: what somebody uses stays."""

from collections.abc import Awaitable, Callable, Sequence

from schemas.automation.catalogue import CatalogueTask, TaskVisibility
from schemas.errors import Conflict
from schemas.ids import CatalogueTaskId
from wms.catalogue.builds.build_log import BuildLog
from wms.catalogue.builds.build_watch import BuildWatch, list_run_uuids
from wms.catalogue.task_access import check_task_right
from wms.catalogue.task_store import TaskStore
from wms.engine import repository
from wms.tenancy.rights import Action, Principal

#: Returns, in words for people, what still uses a task. It names only what the task's organization sees.
FindsUses = Callable[[CatalogueTask], Awaitable[Sequence[str]]]


class TaskDeletion:
    """Deletes the tasks of one database."""

    def __init__(self, tasks: TaskStore, logs: BuildLog, builds: BuildWatch) -> None:
        self._tasks = tasks
        self._logs = logs
        self._builds = builds
        #: Asked before a deletion.
        self.users: list[FindsUses] = []

    async def delete_task(self, principal: Principal, task_id: CatalogueTaskId) -> None:
        """Delete a task with the logs of its builds. A build that goes on is canceled. Images stay where they are.

        Raises:
            NotFound, Forbidden: the principal does not see the task, or may not change it.
            Conflict: something uses the task, or others may be about to run it.
        """
        task = await self._tasks.load_task(task_id)
        check_task_right(principal, Action.CHANGE_TASK, task)
        uses = [each for find_uses in self.users for each in await find_uses(task)]
        if uses:
            raise Conflict(f"task {task.name!r} is in use: {', '.join(uses)}", hint="end or delete these first")
        check_unshared(task)
        for uuid in list_run_uuids(task):
            run_id = await repository.find_run_id(self._tasks.store, uuid)
            if run_id is not None:
                await self._builds.cancel_run(run_id, f"{principal.subject} has deleted the task")
        await self._tasks.delete_task(task, by=principal.subject)
        await self._logs.delete_logs(task_id, [version.last_build for version in task.versions])


def check_unshared(task: CatalogueTask) -> None:
    """Check that no other than its owner and the admins may be about to run `task`.

    Raises:
        Conflict: it is shared, a version of it is in use, and nobody has disabled it.
    """
    is_shared = task.visibility is not TaskVisibility.PRIVATE
    if is_shared and task.ready_version is not None and not task.is_disabled:
        raise Conflict(
            f"task {task.name!r} is shared and Ready, so others may be about to run it",
            hint="disable it first: ewms catalogue update ID --disable",
        )
