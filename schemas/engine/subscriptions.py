"""Subscriptions and products. Step lists move subscriptions from one lifecycle to the next.

The values of a subscription contain blocks. Each block has an id and an owner. A block of another owner is a reference:

    {"speed": 1000,
     "port": {"product_block_name": "Port", "subscription_instance_id": "5a…", "owner_subscription_id": "<this one>",
              "vlan": 12,
              "node": {"product_block_name": "Node", "subscription_instance_id": "77…", "is_reference": true,
                       "owner_subscription_id": "<another>"}}}

By a reference, a subscription *depends on* the owner of the block, and the owner is *in use by* the subscription.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from schemas.lazy_model import LazyModel
from schemas.registry import register_collection

#: The most bytes that the values of one subscription may have as JSON.
MAX_SUBSCRIPTION_BYTES = 1024 * 1024


class SubscriptionLifecycle(StrEnum):
    """How far a subscription has come. Only steps change the lifecycle."""

    INITIAL = "initial"
    ACTIVE = "active"
    MIGRATING = "migrating"
    DISABLED = "disabled"
    TERMINATED = "terminated"
    PROVISIONING = "provisioning"


class ProductDocument(BaseModel):
    """A product to which customers subscribe. Workflows belong to products by `tag` and a pattern for `name`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    product_id: UUID
    name: str
    tag: str
    product_type: str = ""
    description: str = ""
    status: str = "active"
    #: Values that all subscriptions of the product share, such as its speed.
    fixed_inputs: dict[str, Any] = Field(default_factory=dict)


PRODUCTS = register_collection("products", ProductDocument)


class SubscriptionDocument(LazyModel):
    """A subscription, as it is stored and as the outcome of a step contains it."""

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
    #: How many times the subscription has changed. In a step's outcome: the version that the step read; 0 if it is new.
    version: int = 0
    values: dict[str, Any] = Field(default_factory=dict)
    #: The owners of the blocks to which `values` refers.
    depends_on: tuple[UUID, ...] = ()


SUBSCRIPTIONS = register_collection("subscriptions", SubscriptionDocument)


class SubscriptionFilter(LazyModel):
    """A choice of subscriptions: all subscriptions that match every given field."""

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
    """Return whether `value` is a stored block, or a reference to a block."""
    return isinstance(value, dict) and "subscription_instance_id" in value


def iterate_values(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the name and value of each field of `values`, and of each field of its blocks, but not of references."""
    for name, value in values.items():
        yield name, value
        for item in value if isinstance(value, list) else [value]:
            if is_block(item) and not item.get("is_reference"):
                yield from iterate_values(item)


def iterate_blocks(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each stored block in `values`, and each reference to a block, outermost first."""
    for _, value in iterate_values(values):
        yield from (item for item in (value if isinstance(value, list) else [value]) if is_block(item))


def refers_to_block(document: SubscriptionDocument, block_id: UUID) -> bool:
    """Return whether `document` refers to the block, and does not own it."""
    own = str(document.subscription_id)
    return any(
        one["subscription_instance_id"] == str(block_id) and one["owner_subscription_id"] != own
        for one in iterate_blocks(document.values)
    )


def find_block(values: dict[str, Any], block_id: UUID) -> dict[str, Any] | None:
    """Return the block `block_id` that `values` stores. Return None if `values` does not store it."""
    for block in iterate_blocks(values):
        if not block.get("is_reference") and block["subscription_instance_id"] == str(block_id):
            return block
    return None


def matches_filter(document: SubscriptionDocument, wanted: SubscriptionFilter) -> bool:
    """Return whether `document` matches all fields of `wanted` that are given."""
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


class CircularBlocks(ValueError):
    """Blocks refer to each other in a circle, so no model can represent them."""


#: Returns the subscription with this id, which owns blocks. Raises LookupError if there is no such subscription.
ReadOwner = Callable[[UUID], SubscriptionDocument]


def expand_document(document: SubscriptionDocument, read_owner: ReadOwner) -> dict[str, Any]:
    """Return `document` as the state of a run has it: with the values of the blocks to which `document` refers.

    Raises:
        LookupError: the owner of a block does not exist, or no longer has the block.
        CircularBlocks: blocks refer to each other in a circle.
    """
    header = document.model_dump(mode="json", exclude={"values", "depends_on"})
    return header | _expand_values(document.values, document, read_owner, frozenset())


def _expand_values(
    values: Mapping[str, Any], owner: SubscriptionDocument, read_owner: ReadOwner, within: frozenset[str]
) -> dict[str, Any]:
    expanded: dict[str, Any] = {}
    for name, value in values.items():
        if name == "product_block_name":
            continue
        if isinstance(value, list):
            expanded[name] = [_expand_block(one, owner, read_owner, within) if is_block(one) else one for one in value]
        else:
            expanded[name] = _expand_block(value, owner, read_owner, within) if is_block(value) else value
    return expanded


def _expand_block(
    stored: Mapping[str, Any], owner: SubscriptionDocument, read_owner: ReadOwner, within: frozenset[str]
) -> dict[str, Any]:
    block_id, owner_id = stored["subscription_instance_id"], UUID(stored["owner_subscription_id"])
    if block_id in within:
        raise CircularBlocks(f"block {block_id} refers to itself through other blocks")
    if owner_id != owner.subscription_id:
        owner = read_owner(owner_id)
    if stored.get("is_reference"):
        stored = find_block(owner.values, UUID(block_id)) or {}
        if not stored:
            raise LookupError(f"subscription {owner_id} has no block {block_id} any more")
    return _expand_values(stored, owner, read_owner, within | {block_id})
