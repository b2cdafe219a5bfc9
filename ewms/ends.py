"""How a workflow ends by itself, over REST; and the look that tells a loop over results that it has them all."""

import asyncio

from ewms.errors import NotThere
from ewms.gateway.http import Gateway
from schemas.api import QueueDepths
from schemas.endings import Ending
from schemas.ids import WorkflowId


async def ending_of(gateway: Gateway, workflow: WorkflowId) -> Ending | None:
    """Return whether and how `workflow` ends by itself; None from a server that knows of no such end."""
    try:
        return Ending.model_validate(await gateway.get(f"/workflows/{workflow}/ending"), extra="ignore")
    except NotThere:
        return None


async def close_inputs(gateway: Gateway, workflow: WorkflowId) -> Ending:
    """Close the inputs of `workflow`. See `AsyncRun.close_inputs`."""
    return Ending.model_validate(await gateway.post(f"/workflows/{workflow}/close-inputs", {}), extra="ignore")


async def has_delivered_all(gateway: Gateway, workflow: WorkflowId, alias: str) -> bool:
    """Say whether every event that will ever come into the queue `alias` has been taken from it, and acknowledged."""
    ending = await ending_of(gateway, workflow)
    if ending is None or not ending.has_all_results:
        return False
    depths = await _depths(gateway, workflow)
    if not _is_empty(depths, alias):
        return False
    # What somebody has in hand is known from the queue's last report; the next one is of now.
    await asyncio.sleep(depths.max_age_s)
    return _is_empty(await _depths(gateway, workflow), alias)


async def _depths(gateway: Gateway, workflow: WorkflowId) -> QueueDepths:
    return QueueDepths.model_validate(await gateway.get(f"/workflows/{workflow}/queues"), extra="ignore")


def _is_empty(depths: QueueDepths, alias: str) -> bool:
    return not any(
        queue.n_ready + queue.n_unacknowledged + queue.n_delayed for queue in depths.queues if queue.alias == alias
    )
