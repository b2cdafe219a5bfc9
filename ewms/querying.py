"""Ask the gateway for many objects at once, page by page."""

from typing import Any, TypeVar

from pydantic import BaseModel

from ewms.http import Gateway

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
