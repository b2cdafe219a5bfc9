"""Subscriptions in memory, for tests of step lists."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from ewms.steps.registrations import list_products, list_registrations
from schemas.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionFilter, matches_filter


class StaleSubscription(ValueError):
    """Another process has changed the subscription since the step has read it."""


class MemorySubscriptions:
    """What a database would hold. Products are those that `register_product` has made known."""

    def __init__(self) -> None:
        self._documents: dict[UUID, SubscriptionDocument] = {}

    def read_subscription(self, subscription_id: UUID) -> SubscriptionDocument | None:
        """Return the subscription; None: there is none."""
        return self._documents.get(subscription_id)

    def find_subscriptions(self, wanted: SubscriptionFilter) -> Sequence[SubscriptionDocument]:
        """Return all subscriptions that match `wanted`."""
        return [one for one in self._documents.values() if matches_filter(one, wanted)]

    def find_products(self, workflow: str = "") -> Sequence[ProductDocument]:
        """Return the products to which `workflow` is attached; without a name, all of them."""
        if not workflow:
            return list_products()
        attached = [one for one in list_registrations() if one.name == workflow]
        return [product for product in list_products() if any(one.attaches_to(product) for one in attached)]

    def commit(self, models: Iterable[SubscriptionDocument]) -> None:
        """Store all of `models`, each one version further; or none, if one is stale.

        Raises:
            StaleSubscription: a subscription was changed after `models` were read.
        """
        models = list(models)
        for model in models:
            before = self._documents.get(model.subscription_id)
            stored = 0 if before is None else before.version
            if stored != model.version:
                raise StaleSubscription(
                    f"subscription {model.subscription_id} is at version {stored}; the step has read {model.version}"
                )
        for model in models:
            self._documents[model.subscription_id] = model.model_copy(update={"version": model.version + 1})
