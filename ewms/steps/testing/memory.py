"""Store subscriptions in memory, for tests of step lists."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from ewms.steps.registrations import list_products, list_registrations
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionFilter, matches_filter


class StaleVersion(ValueError):
    """Another process has changed the subscription after the step read it."""


class MemorySubscriptions:
    """The subscriptions of a test, in place of a database. The products are those of `register_product`."""

    def __init__(self) -> None:
        self._documents: dict[UUID, SubscriptionDocument] = {}

    def read_subscription(self, subscription_id: UUID) -> SubscriptionDocument | None:
        """Return the subscription. Return None if there is no such subscription."""
        return self._documents.get(subscription_id)

    def find_subscriptions(self, wanted: SubscriptionFilter) -> Sequence[SubscriptionDocument]:
        """Return all subscriptions that match `wanted`."""
        return [one for one in self._documents.values() if matches_filter(one, wanted)]

    def find_products(self, workflow: str = "") -> Sequence[ProductDocument]:
        """Return the products to which `workflow` is attached. If `workflow` is empty, return all products."""
        if not workflow:
            return list_products()
        attached = [one for one in list_registrations() if one.name == workflow]
        return [product for product in list_products() if any(one.attaches_to(product) for one in attached)]

    def commit(self, models: Iterable[SubscriptionDocument]) -> None:
        """Store all of `models`, and raise the version of each by one. If one of them is out of date, store none.

        Raises:
            StaleVersion: a subscription was changed after `models` were read.
        """
        models = list(models)
        for model in models:
            before = self._documents.get(model.subscription_id)
            stored = 0 if before is None else before.version
            if stored != model.version:
                raise StaleVersion(
                    f"subscription {model.subscription_id} is at version {stored}; the step has read {model.version}"
                )
        for model in models:
            self._documents[model.subscription_id] = model.model_copy(update={"version": model.version + 1})
