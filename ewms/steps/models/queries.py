"""Look up subscriptions and products, for a selector in a form or a check in a step."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ewms.steps.models.subscriptions import find_product
from ewms.steps.step_scope import current_scope
from schemas.engine.subscriptions import (
    ProductDocument,
    SubscriptionDocument,
    SubscriptionFilter,
    SubscriptionLifecycle,
    iterate_values,
)


def find_subscriptions(
    *,
    product_type: str | None = None,
    product_name: str | None = None,
    tag: str | None = None,
    status: Sequence[SubscriptionLifecycle | str] = (),
    field: str | None = None,
    value: Any = None,
) -> list[SubscriptionDocument]:
    """Return the subscriptions that match every argument. `field` is a field of a subscription or of its blocks.

    nodes = find_subscriptions(product_type="Node", status=["active"], field="node_name", value="ams-1")
    """
    wanted = SubscriptionFilter(
        product_type=product_type,
        product_name=product_name,
        tag=tag,
        statuses=tuple(map(SubscriptionLifecycle, status)),
        field=field,
        value=value,
    )
    return current_scope("find_subscriptions").find_subscriptions(wanted)


def values_in_use(subscription_id: UUID | str, field: str) -> list[Any]:
    """Return the values of `field` in all subscriptions that refer to blocks of `subscription_id`.

    Terminated subscriptions do not count.

        free = set(range(2, 4095)) - set(values_in_use(port_subscription_id, "vlan"))
    """
    wanted = SubscriptionFilter(depends_on=UUID(str(subscription_id)))
    users = current_scope("values_in_use").find_subscriptions(wanted)
    return [
        value
        for user in users
        if user.status is not SubscriptionLifecycle.TERMINATED
        for name, value in iterate_values(user.values)
        if name == field and value is not None
    ]


def get_product_by_name(name: str) -> ProductDocument:
    """Return the product with this name.

        product = get_product_by_name("Node Enrollment")

    Raises:
        LookupError: there is no such product.
    """
    return find_product(current_scope("get_product_by_name"), name=name)


def get_product_by_id(product_id: UUID | str) -> ProductDocument:
    """Return the product with this id.

        product = get_product_by_id(product)

    Raises:
        LookupError: there is no such product.
    """
    return find_product(current_scope("get_product_by_id"), product_id=UUID(str(product_id)))
