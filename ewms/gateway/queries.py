"""Read one workflow or the depths of its queues from the gateway, or all objects that match a query, page by page."""

from typing import Any, TypeVar

from pydantic import BaseModel

from ewms.gateway.http import Gateway
from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.health import Stall
from schemas.fleet.objects import Workflow
from schemas.ids import WorkflowId

Model = TypeVar("Model", bound=BaseModel)


async def query_all(gateway: Gateway, noun: str, key: str, model: type[Model], query: dict[str, Any]) -> list[Model]:
    """Return every object that matches the MongoDB filter `query`, the oldest first.

    The route is `/query/<noun>`. `key` names the list in the answer; `model` is the type of its elements.
    """
    found: list[Model] = []
    body: dict[str, Any] = {"query": query}
    while True:
        page = await gateway.post_json(f"/query/{noun}", body)
        found += [model.model_validate(item, extra="ignore") for item in page[key]]
        if not page.get("next_after"):
            return found
        body["after"] = page["next_after"]


async def read_workflow(gateway: Gateway, workflow: WorkflowId) -> tuple[Workflow, Stall | None]:
    """Return the workflow, and why it is stalled (None: it is not stalled).

    Raises:
        NotThere: the workflow does not exist, or belongs to another user.
    """
    seen = await gateway.get_json(f"/workflows/{workflow}?include=health")
    # An older server does not report stalls.
    stall = (seen.get("health") or {}).get("stalled")
    found = Workflow.model_validate(seen, extra="ignore")
    return found, None if stall is None else Stall.model_validate(stall, extra="ignore")


async def fetch_depths(gateway: Gateway, workflow: WorkflowId) -> QueueDepths:
    """Return how many events each queue of the workflow holds, and how many dead letters the workflow has."""
    return QueueDepths.model_validate(await gateway.get_json(f"/workflows/{workflow}/queues"), extra="ignore")
