"""Read all that the views of one workflow need: once for callers that ask at the same time."""

import asyncio
from dataclasses import replace

from runtime.bus.questions import Asks
from runtime.concurrency.shared_work import SharedWork
from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.health import Stall, TaskforceHealth
from schemas.errors import EWMSError
from schemas.fleet.documents import TaskforceDocument, WorkflowDocument
from schemas.ids import WorkflowId
from wms.fleet.ownership import Access
from wms.fleet.reading.health import describe_stall
from wms.fleet.reading.object_reader import ObjectReader
from wms.fleet.stalls.depth_questions import ask_depths
from wms.insight.workflow_reading import WorkflowReading


class WorkflowReader:
    """Reads workflows with their parts. It keeps each reading for a second."""

    def __init__(self, reader: ObjectReader, mqs: Asks, shared: SharedWork | None = None) -> None:
        self._reader = reader
        self._mqs = mqs
        self._shared = shared or SharedWork()

    async def read_workflow(self, workflow_id: str, access: Access, *, counts: bool = True) -> WorkflowReading:
        """Return a workflow with its parts. If `counts` is false, leave out the counts of its queues.

        Raises:
            NotFound: the workflow is unknown, or not the caller's.
        """
        workflow = await self._reader.get_workflow(workflow_id, access)
        return await (self._share_counted(workflow) if counts else self._share_stored(workflow))

    async def _share_counted(self, workflow: WorkflowDocument) -> WorkflowReading:
        return await self._shared.find_result(("counted", workflow.workflow_id), lambda: self._read_counted(workflow))

    async def _share_stored(self, workflow: WorkflowDocument) -> WorkflowReading:
        return await self._shared.find_result(("stored", workflow.workflow_id), lambda: self._read_stored(workflow))

    async def _read_counted(self, workflow: WorkflowDocument) -> WorkflowReading:
        # The broker takes longest, so the database is read meanwhile.
        (depths, unseen), stored = await asyncio.gather(
            self._count_queues(WorkflowId(workflow.workflow_id)), self._share_stored(workflow)
        )
        return replace(stored, depths=depths, unseen=unseen)

    async def _read_stored(self, workflow: WorkflowDocument) -> WorkflowReading:
        workflow_id = WorkflowId(workflow.workflow_id)
        document = {"_id": workflow_id, **workflow.model_dump()}
        taskforces = await self._reader.list_taskforces(workflow_id)
        stall = describe_stall(document)
        return WorkflowReading(
            workflow=workflow,
            tasks=await self._reader.list_tasks(workflow_id),
            taskforces=[TaskforceDocument.model_validate(each) for each in taskforces],
            healths={
                each["taskforce_uuid"]: TaskforceHealth.model_validate(self._reader.describe_health(each, document))
                for each in taskforces
            },
            stall=None if stall is None else Stall.model_validate(stall),
        )

    async def _count_queues(self, workflow_id: WorkflowId) -> tuple[QueueDepths | None, str]:
        try:
            return await ask_depths(self._mqs, workflow_id), ""
        except EWMSError as error:
            # The rest of the view is worth showing, and explains why the counts are missing.
            return None, error.reason
