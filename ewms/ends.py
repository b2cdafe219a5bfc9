"""Ask the server how a workflow ends by itself, close its inputs, and see whether all results of a queue are taken."""

import asyncio

from ewms.errors import NotThere
from ewms.gateway.http import Gateway
from ewms.gateway.queries import fetch_depths
from schemas.api.queues.profiles import QueueDepths
from schemas.fleet.endings import Ending
from schemas.ids import WorkflowId


async def fetch_ending(gateway: Gateway, workflow: WorkflowId) -> Ending | None:
    """Return whether and how `workflow` ends by itself; None if the server is too old to tell."""
    try:
        return Ending.model_validate(await gateway.get_json(f"/workflows/{workflow}/ending"), extra="ignore")
    except NotThere:
        return None


async def close_inputs(gateway: Gateway, workflow: WorkflowId) -> Ending:
    """Close the inputs of `workflow`. See `AsyncRun.close_inputs`."""
    return Ending.model_validate(await gateway.post_json(f"/workflows/{workflow}/close-inputs", {}), extra="ignore")


async def has_delivered_all(gateway: Gateway, workflow: WorkflowId, alias: str) -> bool:
    """Return whether all results have come to the queue `alias`, and consumers have acknowledged every event in it.

    Before it returns True, it looks at the queue twice, with some seconds (`max_age_s`) in between.
    """
    ending = await fetch_ending(gateway, workflow)
    if ending is None or not ending.has_all_results:
        return False
    depths = await fetch_depths(gateway, workflow)
    if not _is_empty(depths, alias):
        return False
    # The number of events in hand is as old as the queue's last report. The next report covers this moment.
    await asyncio.sleep(depths.max_age_s)
    return _is_empty(await fetch_depths(gateway, workflow), alias)


def _is_empty(depths: QueueDepths, alias: str) -> bool:
    return not any(
        queue.n_ready + queue.n_unacknowledged + queue.n_delayed for queue in depths.queues if queue.alias == alias
    )
