"""Subscriptions for programs with an event loop; `ewms.processes.plain_subscriptions` has the same without `await`."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from ewms.gateway.http import Gateway
from ewms.processes.async_processes import join_filters
from schemas.api.processes import ProcessSummary
from schemas.api.workflows.explanation import ObjectExplanation
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument

_MAX_LISTED = 250


class AsyncSubscriptionClient:
    """The subscriptions of one server that you may see."""

    def __init__(self, open_gateway: Callable[[], Gateway]) -> None:
        self._open_gateway = open_gateway

    async def find(
        self, filters: Mapping[str, str] | None = None, *, sort: str = "", n: int = _MAX_LISTED
    ) -> list[SubscriptionDocument]:
        """Return at most `n` subscriptions that match `filters`.

        `filters` are fields and values such as `{"status": "active", "values.vlan": "12"}`, and `sort` is such as
        "start_date,desc".

        Raises:
            Refused: there is no such field; the reason names those that there are.
        """
        wish = {"range": f"0,{max(0, n - 1)}", "sort": sort, "filter": join_filters(filters or {})}
        query = urlencode({name: value for name, value in wish.items() if value})
        found = await self._open_gateway().get_json(f"/subscriptions?{query}")
        return [SubscriptionDocument.model_validate(one) for one in found]

    async def get(self, subscription_id: str) -> Mapping[str, Any]:
        """Return the subscription as JSON, with the values of all its blocks, and of the blocks of others to which it
        refers.

        Raises:
            NotThere: the subscription does not exist, or you may not see it.
        """
        found: Mapping[str, Any] = await self._open_gateway().get_json(
            f"/subscriptions/domain-model/{_quote(subscription_id)}"
        )
        return found

    async def workflows(self, subscription_id: str) -> Mapping[str, list[Mapping[str, Any]]]:
        """Return target -> workflows that work on the subscription. A workflow that may not start now has a
        `reason`.
        """
        found: Mapping[str, list[Mapping[str, Any]]] = await self._open_gateway().get_json(
            f"/subscriptions/workflows/{_quote(subscription_id)}"
        )
        return found

    async def explain(self, subscription_id: str) -> ObjectExplanation:
        """Return why workflows may not start on the subscription: causes with remedies, all of them for each workflow.

        Raises:
            NotThere: the subscription does not exist, or you may not see it.
        """
        answer = await self._open_gateway().get_json(f"/subscriptions/{_quote(subscription_id)}/explain")
        return ObjectExplanation.model_validate(answer, extra="ignore")

    async def processes(self, subscription_id: str) -> list[ProcessSummary]:
        """Return the processes that have worked on a subscription, the latest first."""
        found = await self._open_gateway().get_json(f"/subscriptions/{_quote(subscription_id)}/processes")
        return [ProcessSummary.model_validate(one) for one in found]

    async def products(self) -> list[ProductDocument]:
        """Return the products to which customers can subscribe, in the order of their names."""
        return [ProductDocument.model_validate(one) for one in await self._open_gateway().get_json("/products")]

    async def set_in_sync(self, subscription_id: str) -> None:
        """Set a subscription in sync. Call this after a process on it has failed and you have repaired its data.

        Raises:
            Refused: a process that is no task still works on the subscription.
            NotThere: the subscription does not exist, or you may not see it.
        """
        await self._open_gateway().put(f"/subscriptions/{_quote(subscription_id)}/set_in_sync", {})


def _quote(subscription_id: str) -> str:
    return quote(subscription_id, safe="")
