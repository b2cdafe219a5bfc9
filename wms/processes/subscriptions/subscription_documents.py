"""The form in which MongoDB stores subscriptions, and the queries that find them. (core)

    {"_id": "<subscription id>", "rev": <its version>, "status": ..., "insync": ..., "product": {...}, "values": {...},
     "depends_on": ["<owner>", ...], "block_ids": ["<block that it owns>", ...],
     "fields": [{"name": "vlan", "value": 12}, ...]}

`block_ids` and `fields` are computed from `values`, for queries. The users of a subscription are not stored: a query
for its id in `depends_on` finds them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from runtime.kernel.decision import Document, Insert, Update
from schemas.engine.subscriptions import (
    SUBSCRIPTIONS,
    ProductDocument,
    SubscriptionDocument,
    SubscriptionFilter,
    is_block,
    iterate_values,
)

Query = dict[str, Any]

#: Longer texts are not found by their value.
_MAX_INDEXED = 512


def make_document(subscription: SubscriptionDocument, now: datetime) -> Document:
    """Return the fields of `subscription` in the form that MongoDB stores, without `_id` and `rev`."""
    header = subscription.model_dump(exclude={"subscription_id", "version", "product", "depends_on", "status"})
    return {
        **header,
        "product": make_product_document(subscription.product),
        "status": str(subscription.status),
        "depends_on": [str(owner) for owner in subscription.depends_on],
        "block_ids": list_owned_blocks(subscription),
        "fields": _list_fields(subscription.values),
        "changed_at": now,
    }


def make_insert(subscription: SubscriptionDocument, now: datetime) -> Insert:
    """Return the change that creates `subscription`, at version 1."""
    head = {"_id": str(subscription.subscription_id), "rev": 1, "created_at": now}
    return Insert(SUBSCRIPTIONS, {**head, **make_document(subscription, now)})


def make_update(subscription: SubscriptionDocument, now: datetime) -> Update:
    """Return the change that stores `subscription` with the next version. It fails if the stored version has
    changed.
    """
    fields = make_document(subscription, now)
    return Update(SUBSCRIPTIONS, str(subscription.subscription_id), set=fields, rev=subscription.version)


def parse_subscription(document: Mapping[str, Any]) -> SubscriptionDocument:
    """Return the subscription that is stored as `document`."""
    return SubscriptionDocument.model_validate(
        {**document, "subscription_id": document["_id"], "version": document["rev"]}
    )


def make_product_document(product: ProductDocument) -> Document:
    """Return `product` in the form for a part of another document."""
    return product.model_dump(mode="json")


def list_owned_blocks(subscription: SubscriptionDocument) -> list[str]:
    """Return the ids of the blocks that `subscription` owns."""
    return [
        item["subscription_instance_id"]
        for _, value in iterate_values(subscription.values)
        for item in (value if isinstance(value, list) else [value])
        if is_block(item) and not item.get("is_reference")
    ]


def _list_fields(values: dict[str, Any]) -> list[Document]:
    """Return the plain values by which queries find a subscription."""
    found: list[Document] = []
    for name, value in iterate_values(values):
        is_short = not isinstance(value, str) or len(value) <= _MAX_INDEXED
        if isinstance(value, str | int | float | bool) and is_short:
            found.append({"name": name, "value": value})
    return found


def make_filter_query(wanted: SubscriptionFilter) -> Query:
    """Return a query that finds all subscriptions that match `wanted`, and perhaps more: see `matches_filter`."""
    each: list[Query] = []
    for field, word in (
        ("product.product_type", wanted.product_type),
        ("product.name", wanted.product_name),
        ("product.tag", wanted.tag),
    ):
        if word is not None:
            each.append({field: word})
    if wanted.statuses:
        each.append({"status": {"$in": [str(status) for status in wanted.statuses]}})
    if wanted.field is not None:
        each.append(_find_field(wanted.field, wanted.value))
    if wanted.owns_block is not None:
        each.append({"block_ids": str(wanted.owns_block)})
    if wanted.depends_on is not None:
        each.append({"depends_on": str(wanted.depends_on)})
    return {"$and": each} if each else {}


def _find_field(name: str, value: Any) -> Query:
    is_indexed = isinstance(value, int | float | bool) or (isinstance(value, str) and len(value) <= _MAX_INDEXED)
    # What is not indexed is compared after it was read.
    return {"fields": {"$elemMatch": {"name": name, "value": value}}} if is_indexed else {}


def make_id_query(ids: "set[UUID] | list[UUID]") -> Query:
    """Return the query that finds these subscriptions."""
    return {"_id": {"$in": sorted(str(one) for one in ids)}}
