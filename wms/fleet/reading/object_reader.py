"""Read workflows, task directives and taskforces for a caller. The caller's access says which of them."""

from runtime.clock import utc_now
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from schemas.api.queries import Query
from schemas.errors import NotFound
from schemas.fleet.documents import TASK_DIRECTIVES, TASKFORCES, WORKFLOWS, TaskDirectiveDocument, WorkflowDocument
from schemas.ids import WorkflowId
from schemas.registry import Collection
from wms.fleet import repository
from wms.fleet.choices.fleet_settings import FleetSettings, ReadSettings
from wms.fleet.choices.locations import LocationMap
from wms.fleet.ownership import Access
from wms.fleet.reading import query_pages
from wms.fleet.reading.health import END_FIELDS, describe_taskforce_health, describe_workflow_health
from wms.fleet.reading.query_pages import QueryPage

#: How many lines of a taskforce's log a list of taskforces has.
_LAST_LINES = 10


class ObjectReader:
    """Reads the objects of one store."""

    def __init__(self, store: Store, locations: LocationMap, read_settings: ReadSettings = FleetSettings) -> None:
        self._store = store
        self._locations = locations
        self._read_settings = read_settings

    async def read_object(
        self, collection: Collection, key: str, access: Access, *, with_health: bool = False
    ) -> Document | None:
        """Return the object with the id `key` in the form for users. Return None if it is unknown, or not the caller's.

        If `with_health`, add the health of a workflow or a taskforce.
        """
        document = await self._find_visible(collection, key, access)
        if document is None:
            return None
        found = repository.select_public(collection, document)
        if with_health and collection == TASKFORCES:
            workflow = await self._store.find_one(WORKFLOWS, {"_id": document["workflow_id"]}, projection=END_FIELDS)
            found["health"] = self.describe_health(document, workflow)
        elif with_health:
            found["health"] = describe_workflow_health(document)
        return found

    async def read_page(
        self, collection: Collection, query: Query, access: Access, *, max_bytes: int, with_outcome: bool
    ) -> QueryPage:
        """Return the first objects that match `query`, see `query_pages.read_page`."""
        return await query_pages.read_page(
            self._store, collection, query, access, max_bytes=max_bytes, with_outcome=with_outcome
        )

    async def find_workflow(self, workflow_id: str, access: Access) -> WorkflowDocument | None:
        """Return a workflow as stored. Return None if it is unknown, or not the caller's."""
        document = await self._find_visible(WORKFLOWS, workflow_id, access)
        return None if document is None else WorkflowDocument.model_validate(document)

    async def get_workflow(self, workflow_id: str, access: Access) -> WorkflowDocument:
        """Return a workflow as stored.

        Raises:
            NotFound: the workflow is unknown, or not the caller's.
        """
        workflow = await self.find_workflow(workflow_id, access)
        if workflow is None:
            raise NotFound(f"no workflow found with id: {workflow_id}")
        return workflow

    async def is_known(self, workflow_id: WorkflowId) -> bool:
        """Return whether there is such a workflow, no matter who owns it."""
        return await self._store.find_one(WORKFLOWS, {"_id": workflow_id}, projection={"_id": 1}) is not None

    async def list_tasks(self, workflow_id: WorkflowId) -> list[TaskDirectiveDocument]:
        """Return the tasks of a workflow as stored."""
        found = await self._store.find(TASK_DIRECTIVES, {"workflow_id": workflow_id})
        return [TaskDirectiveDocument.model_validate(task) for task in found]

    async def list_taskforces(self, workflow_id: WorkflowId) -> list[Document]:
        """Return the taskforces of a workflow as stored, oldest first. Of each log, only the last lines are there."""
        lines = {"phase_change_log": {"$slice": -_LAST_LINES}}
        return await self._store.find(TASKFORCES, {"workflow_id": workflow_id}, projection=lines, sort=[("cursor", 1)])

    def describe_health(self, taskforce: Document, workflow: Document | None) -> Document:
        """Return the health of a stored `taskforce` of a stored `workflow`."""
        schedd = taskforce["schedd"]
        port, drain = self._locations.find_port(schedd), self._read_settings().find_drain(schedd)
        return describe_taskforce_health(taskforce, workflow, port, utc_now(), drain)

    async def _find_visible(self, collection: Collection, key: str, access: Access) -> Document | None:
        document = await self._store.find_one(collection, {"_id": key})
        return document if document is not None and _is_visible(document, access) else None


def _is_visible(document: Document, access: Access) -> bool:
    """Return whether a caller with `access` may see a stored document."""
    return access.may_see(document.get("owner", ""), document.get("projects", [])) and access.may_see_at(
        document.get("schedd")
    )
