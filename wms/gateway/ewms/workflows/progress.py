"""Find what `?include=progress` adds to a workflow: how many events it has, and how many of them are done."""

from typing import Any

from runtime.bus.questions import Asks
from schemas.api.workflows.health import WorkflowProgress
from schemas.explain.progress import count_done
from schemas.ids import WorkflowId
from wms.fleet.life.completion import describe_ending
from wms.fleet.ownership import Access
from wms.fleet.reading.object_reader import ObjectReader
from wms.fleet.stalls.depth_questions import ask_depths


async def find_progress(
    reader: ObjectReader, mqs: Asks, workflow_id: WorkflowId, access: Access
) -> dict[str, Any] | None:
    """Return the fields of `WorkflowProgress`; None if the queues do not show how many events are done."""
    workflow = await reader.find_workflow(workflow_id, access)
    depths = await ask_depths(mqs, workflow_id)
    if workflow is None or depths is None:
        return None
    tasks = await reader.list_tasks(workflow_id)
    done = count_done(tasks, depths, describe_ending(workflow), is_ended=workflow.deactivated is not None)
    if done is None:
        return None
    return WorkflowProgress(
        n_done=done.n_done, n_all=done.n_all, n_failed=done.n_failed, is_whole=done.is_whole
    ).model_dump()
