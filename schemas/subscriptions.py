"""Subscriptions and products: what step lists move from one lifecycle to the next.

A subscription's values nest blocks. Each block has an id and an owner, and one that is stored elsewhere is a reference:

    {"speed": 1000,
     "port": {"product_block_name": "Port", "subscription_instance_id": "5a…", "owner_subscription_id": "<this one>",
              "vlan": 12,
              "node": {"product_block_name": "Node", "subscription_instance_id": "77…", "is_reference": true,
                       "owner_subscription_id": "<another>"}}}

A reference makes its user *depend on* the owner, and the owner is *in use by* the user.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class SubscriptionLifecycle(StrEnum):
    """Where a subscription stands. A step changes it, and nothing else does."""

    INITIAL = "initial"
    ACTIVE = "active"
    MIGRATING = "migrating"
    DISABLED = "disabled"
    TERMINATED = "terminated"
    PROVISIONING = "provisioning"


class ProductDocument(BaseModel):
    """What can be subscribed to. Workflows attach to products by `tag` and a pattern for `name`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    product_id: UUID
    name: str
    tag: str
    product_type: str = ""
    description: str = ""
    status: str = "active"
    #: Values that all subscriptions of the product share, such as its speed.
    fixed_inputs: dict[str, Any] = Field(default_factory=dict)


class SubscriptionDocument(BaseModel):
    """A subscription as stored, and as a step's outcome carries it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subscription_id: UUID
    product: ProductDocument
    customer_id: str
    description: str = ""
    status: SubscriptionLifecycle = SubscriptionLifecycle.INITIAL
    #: False while a process changes the subscription, and after it failed.
    insync: bool = False
    start_date: datetime | None = None
    end_date: datetime | None = None
    note: str | None = None
    #: How often the subscription has changed. A step's outcome carries the version that it has read; 0: it is new.
    version: int = 0
    values: dict[str, Any] = Field(default_factory=dict)
    #: The owners of the blocks that `values` refers to.
    depends_on: tuple[UUID, ...] = ()


class SubscriptionFilter(BaseModel):
    """Which subscriptions somebody looks for: all that match every field that is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product_type: str | None = None
    product_name: str | None = None
    tag: str | None = None
    statuses: tuple[SubscriptionLifecycle, ...] = ()
    #: A field of the subscription, or of any of its blocks, and the value that it has.
    field: str | None = None
    value: Any = None
    #: The subscription that owns this block.
    owns_block: UUID | None = None
    #: Subscriptions that depend on this one.
    depends_on: UUID | None = None


def is_block(value: object) -> bool:
    """Return whether `value` is a stored block, or a reference to one."""
    return isinstance(value, dict) and "subscription_instance_id" in value


def iterate_values(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each field of `values` and of the blocks in it, outermost first; fields of references are not there."""
    for name, value in values.items():
        yield name, value
        for item in value if isinstance(value, list) else [value]:
            if is_block(item) and not item.get("is_reference"):
                yield from iterate_values(item)


def find_block(values: dict[str, Any], block_id: UUID) -> dict[str, Any] | None:
    """Return the block `block_id` as `values` stores it; None: it is not stored there."""
    for _, value in iterate_values(values):
        for item in value if isinstance(value, list) else [value]:
            if is_block(item) and not item.get("is_reference") and item["subscription_instance_id"] == str(block_id):
                found: dict[str, Any] = item
                return found
    return None


def matches_filter(document: SubscriptionDocument, wanted: SubscriptionFilter) -> bool:
    """Return whether `document` is one of those that `wanted` asks for."""
    product = document.product
    return (
        wanted.product_type in (None, product.product_type)
        and wanted.product_name in (None, product.name)
        and wanted.tag in (None, product.tag)
        and (not wanted.statuses or document.status in wanted.statuses)
        and (wanted.field is None or (wanted.field, wanted.value) in list(iterate_values(document.values)))
        and (wanted.owns_block is None or find_block(document.values, wanted.owns_block) is not None)
        and (wanted.depends_on is None or wanted.depends_on in document.depends_on)
    )
