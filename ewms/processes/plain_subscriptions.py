"""Subscriptions for programs without an event loop: the names of `ewms.processes.async_subscriptions`."""

from collections.abc import Mapping
from typing import Any

from ewms.loop_thread import LoopThread
from ewms.processes.async_subscriptions import AsyncSubscriptionClient
from schemas.api.processes import ProcessSummary
from schemas.api.workflows.explanation import ObjectExplanation
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument


class SubscriptionClient:
    """The subscriptions of one server that you may see."""

    def __init__(self, portal: LoopThread, subscriptions: AsyncSubscriptionClient) -> None:
        self._portal = portal
        self._subscriptions = subscriptions

    def find(
        self, filters: Mapping[str, str] | None = None, *, sort: str = "", n: int = 250
    ) -> list[SubscriptionDocument]:
        """Return at most `n` subscriptions that match `filters`.

        `filters` are fields and values such as `{"status": "active", "values.vlan": "12"}`, and `sort` is such as
        "start_date,desc".

        Raises:
            Refused: there is no such field; the reason names those that there are.
        """
        return self._portal.run_coroutine(lambda: self._subscriptions.find(filters, sort=sort, n=n))

    def get(self, subscription_id: str) -> Mapping[str, Any]:
        """Return the subscription as JSON, with the values of all its blocks, and of the blocks of others to which it
        refers.

        Raises:
            NotThere: the subscription does not exist, or you may not see it.
        """
        return self._portal.run_coroutine(lambda: self._subscriptions.get(subscription_id))

    def workflows(self, subscription_id: str) -> Mapping[str, list[Mapping[str, Any]]]:
        """Return target -> workflows that work on the subscription. A workflow that may not start now has a
        `reason`.
        """
        return self._portal.run_coroutine(lambda: self._subscriptions.workflows(subscription_id))

    def explain(self, subscription_id: str) -> ObjectExplanation:
        """Return why workflows may not start on the subscription: causes with remedies, all of them for each workflow.

        Raises:
            NotThere: the subscription does not exist, or you may not see it.
        """
        return self._portal.run_coroutine(lambda: self._subscriptions.explain(subscription_id))

    def processes(self, subscription_id: str) -> list[ProcessSummary]:
        """Return the processes that have worked on a subscription, the latest first."""
        return self._portal.run_coroutine(lambda: self._subscriptions.processes(subscription_id))

    def products(self) -> list[ProductDocument]:
        """Return the products to which customers can subscribe, in the order of their names."""
        return self._portal.run_coroutine(self._subscriptions.products)

    def set_in_sync(self, subscription_id: str) -> None:
        """Set a subscription in sync. Call this after a process on it has failed and you have repaired its data.

        Raises:
            Refused: a process that is no task still works on the subscription.
            NotThere: the subscription does not exist, or you may not see it.
        """
        self._portal.run_coroutine(lambda: self._subscriptions.set_in_sync(subscription_id))
