"""Questions of step workers to WMS about subscriptions and products. Only the broker users of pools may ask these."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionFilter
from schemas.questions.bases import Answer, WmsQuestion


class SubscriptionQuery(WmsQuestion):
    """A step wants one subscription."""

    kind: Literal["subscription"] = "subscription"
    subscription_id: UUID


class SubscriptionsQuery(WmsQuestion):
    """A step wants the subscriptions that match `wanted`, sorted by their ids. One answer has one page."""

    kind: Literal["subscriptions"] = "subscriptions"
    wanted: SubscriptionFilter = Field(default_factory=SubscriptionFilter)
    #: The last subscription of the page before; None means the first page.
    after: UUID | None = None


class ProductsQuery(WmsQuestion):
    """A step wants the products to which `workflow` is attached. Without `workflow`, the step wants all products."""

    kind: Literal["products"] = "products"
    workflow: str = ""


class SubscriptionsAnswer(Answer):
    """Subscriptions, as they are stored. The answer to `SubscriptionQuery` has at most one."""

    kind: Literal["subscriptions"] = "subscriptions"
    subscriptions: tuple[SubscriptionDocument, ...] = ()
    #: Whether there may be further subscriptions after the last of these.
    has_more: bool = False


class ProductsAnswer(Answer):
    """Products, sorted by their names."""

    kind: Literal["products"] = "products"
    products: tuple[ProductDocument, ...] = ()
