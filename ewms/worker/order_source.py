"""Where a step that runs on a worker reads subscriptions: the order brings those of its process."""

from collections.abc import Sequence
from uuid import UUID

from schemas.errors import Unavailable
from schemas.events import NodeRun
from schemas.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionFilter


class OrderedSubscriptions:
    """The subscriptions that came with one order."""

    def __init__(self, order: NodeRun) -> None:
        found = map(SubscriptionDocument.model_validate, order.subscriptions)
        self._documents = {one.subscription_id: one for one in found}

    def read_subscription(self, subscription_id: UUID) -> SubscriptionDocument | None:
        """Return the subscription, if the order has it.

        Raises:
            Unavailable: it has not, and WMS answers no questions about others yet.
        """
        if subscription_id not in self._documents:
            raise _make_refusal(f"subscription {subscription_id} did not come with the step")
        return self._documents[subscription_id]

    def find_subscriptions(self, wanted: SubscriptionFilter) -> Sequence[SubscriptionDocument]:
        """Refuse: WMS answers no questions about subscriptions yet."""
        raise _make_refusal("subscriptions cannot be looked up")

    def find_products(self, workflow: str = "") -> Sequence[ProductDocument]:
        """Refuse: WMS answers no questions about products yet."""
        raise _make_refusal("products cannot be looked up")


def _make_refusal(what: str) -> Unavailable:
    return Unavailable(f"{what}: this version of WMS keeps no subscriptions", hint="see docs/unfinished.md")
