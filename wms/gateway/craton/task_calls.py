"""Find who sends a request about a task, and the task that its path names."""

from runtime.web.route import Call
from schemas.automation.catalogue import CatalogueTask
from schemas.ids import CatalogueTaskId
from wms.catalogue.catalogue_service import CatalogueService
from wms.catalogue.task_access import make_absence
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal
from wms.trees.object_ids import read_object_id

#: The path of one task, and the schema of the id in it.
OF_ONE = "/tasks/{task}"
NAMED = {"task": {"type": "integer", "minimum": 1}}


class TaskCalls:
    """Reads what requests name."""

    def __init__(self, organizations: Organizations, tasks: CatalogueService) -> None:
        self._organizations = organizations
        self._tasks = tasks

    async def find_principal(self, call: Call) -> Principal:
        """Return who sends the request."""
        return await self._organizations.find_principal(call.caller)

    async def find_task(self, call: Call, action: Action) -> tuple[Principal, CatalogueTask]:
        """Return who sends the request, and the task in its path.

        Raises:
            NotFound: there is no such task for the caller.
            Forbidden: the caller may not do `action` to it.
        """
        principal = await self.find_principal(call)
        return principal, await self._tasks.get_task(principal, read_task_id(call), action)


def read_task_id(call: Call) -> CatalogueTaskId:
    """Return the id in the path.

    Raises:
        NotFound: no task can have it.
    """
    text = call.read_path("task")
    found = read_object_id(text)
    if found is None:
        raise make_absence(text)
    return CatalogueTaskId(found)
