"""Ask the gateway for one workflow, or for many objects at once, page by page."""

from typing import Any, TypeVar

from pydantic import BaseModel

from ewms.gateway.http import Gateway
from schemas.api import Stall
from schemas.ids import WorkflowId
from schemas.objects import Workflow

Model = TypeVar("Model", bound=BaseModel)


async def query_all(gateway: Gateway, noun: str, key: str, model: type[Model], query: dict[str, Any]) -> list[Model]:
    """Return every object that `query` finds, page by page, oldest first."""
    found: list[Model] = []
    body: dict[str, Any] = {"query": query}
    while True:
        page = await gateway.post(f"/query/{noun}", body)
        found += [model.model_validate(item, extra="ignore") for item in page[key]]
        if not page.get("next_after"):
            return found
        body["after"] = page["next_after"]


async def read_workflow(gateway: Gateway, workflow: WorkflowId) -> tuple[Workflow, Stall | None]:
    """Return `workflow` as the server has it, and why its work waits in vain (None: it does not).

    Raises:
        NotThere: there is no such workflow, or it is somebody else's.
    """
    seen = await gateway.get(f"/workflows/{workflow}?include=health")
    # A server of before knows no stalls.
    stall = (seen.get("health") or {}).get("stalled")
    found = Workflow.model_validate(seen, extra="ignore")
    return found, None if stall is None else Stall.model_validate(stall, extra="ignore")
