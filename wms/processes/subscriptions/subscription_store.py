"""Read subscriptions from MongoDB, find related ones, and store the changes of steps.

Only the commits of steps change subscriptions, apart from `set_in_sync`, which a person requests.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from runtime.clock import stored_now
from runtime.kernel.database import Reader
from runtime.kernel.store import Index, Store, Transaction
from schemas.engine.run_documents import RunDocument
from schemas.engine.subscriptions import SUBSCRIPTIONS, SubscriptionDocument, SubscriptionFilter, matches_filter
from schemas.events import NodeEnded
from wms.engine.brought import BroughtChanges
from wms.processes.subscriptions.brought_models import read_models
from wms.processes.subscriptions.commit_plan import (
    StoredAround,
    list_wanted_subscriptions,
    plan_facts,
    plan_subscriptions,
)
from wms.processes.subscriptions.products import load_products
from wms.processes.subscriptions.subscription_documents import (
    list_owned_blocks,
    make_filter_query,
    make_id_query,
    parse_subscription,
)

INDEXES: Mapping[str, tuple[Index, ...]] = {
    SUBSCRIPTIONS: (
        Index(("depends_on",)),
        Index(("block_ids",)),
        Index(("fields.name", "fields.value")),
        Index(("product.name", "status")),
        Index(("product.product_id",)),
        Index(("product.product_type", "status")),
        Index(("customer_id", "status")),
        Index(("status", "insync")),
        Index(("start_date",)),
    )
}

#: An order brings so many bytes of subscriptions at most. A step asks for what did not come.
_MAX_ORDER_BYTES = 2 * 1024 * 1024
#: One page of an answer: so many subscriptions, and about so many bytes.
_MAX_ANSWERED = 500
_MAX_ANSWER_BYTES = 4 * 1024 * 1024


class Subscriptions:
    """Reads the subscriptions of one database, and plans for the engine how steps change them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def plan_commit(self, run: RunDocument, ended: NodeEnded, tx: Transaction) -> BroughtChanges:
        """Return the changes of subscriptions that the commit of `ended` makes, and the events that the step publishes.

        Raises:
            StepRefused: the subscriptions or events cannot be stored.
        """
        facts = plan_facts(run, ended.node, ended.events)
        models = read_models(ended.models)
        if not models:
            return BroughtChanges(events=facts)
        around = StoredAround(
            subscriptions=await load_subscriptions(tx, list_wanted_subscriptions(models)),
            products=await load_products(tx, {one.product.product_id for one in models}),
            block_owners=await _find_block_owners(tx, models),
        )
        return BroughtChanges(changes=plan_subscriptions(models, around, stored_now()), events=facts)

    async def load_for_step(self, related: Sequence[str], state: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Return the subscriptions that a step works on, each as JSON, and those on which they depend.

        The step works on the ones that `state` names, and on those with the ids `related`.
        """
        ids = {key for text in (*related, state.get("subscription_id")) if (key := _parse_id(text)) is not None}
        if not ids:
            return ()
        own = await load_subscriptions(self._store, ids)
        owners = {owner for each in own.values() for owner in each.depends_on} - own.keys()
        documents = own | (await load_subscriptions(self._store, owners) if owners else {})
        return _take_within([each.model_dump(mode="json") for each in documents.values()], _MAX_ORDER_BYTES)

    async def read_subscription(self, subscription_id: UUID) -> SubscriptionDocument | None:
        """Return the subscription as stored. Return None if there is no such subscription."""
        return (await load_subscriptions(self._store, {subscription_id})).get(subscription_id)

    async def read_page(
        self, wanted: SubscriptionFilter, after: UUID | None
    ) -> tuple[list[SubscriptionDocument], bool]:
        """Return the subscriptions that match `wanted` and whose id comes after `after`, and whether there may be
        more.
        """
        query = make_filter_query(wanted)
        if after is not None:
            query = {"$and": [{"_id": {"$gt": str(after)}}, query]}
        found = await self._store.find(SUBSCRIPTIONS, query, sort=[("_id", 1)], limit=_MAX_ANSWERED)
        taken: list[SubscriptionDocument] = []
        n_bytes, last = 0, len(found)
        for number, document in enumerate(found, start=1):
            read = parse_subscription(document)
            # One that does not match is read all the same, so that the next page begins after it.
            n_bytes += len(json.dumps(read.values))
            taken.append(read)
            if n_bytes > _MAX_ANSWER_BYTES:
                last = number
                break
        has_more = last < len(found) or len(found) == _MAX_ANSWERED
        matching = [one for one in taken if matches_filter(one, wanted)]
        if has_more and (not matching or matching[-1] is not taken[-1]):
            # The asker goes on after the last one that it gets, so look further here.
            rest, has_more = await self.read_page(wanted, taken[-1].subscription_id)
            return [*matching, *rest], has_more
        return matching, has_more

    async def find_subscriptions(self, wanted: SubscriptionFilter) -> list[SubscriptionDocument]:
        """Return all subscriptions that match `wanted`, in the order of their ids."""
        found = await self._store.find(SUBSCRIPTIONS, make_filter_query(wanted), sort=[("_id", 1)])
        return [one for one in map(parse_subscription, found) if matches_filter(one, wanted)]

    async def load_owners(self, subscription: SubscriptionDocument) -> dict[UUID, SubscriptionDocument]:
        """Return by id the subscriptions on which `subscription` depends, directly or through others."""
        known = {subscription.subscription_id: subscription}
        wanted = set(subscription.depends_on)
        while missing := wanted - known.keys():
            found = await load_subscriptions(self._store, missing)
            known |= found
            wanted = {owner for one in found.values() for owner in one.depends_on}
        return {key: one for key, one in known.items() if key != subscription.subscription_id}


async def load_subscriptions(reader: Reader, ids: set[UUID]) -> dict[UUID, SubscriptionDocument]:
    """Return by id those of the subscriptions `ids` that exist."""
    found = await reader.find(SUBSCRIPTIONS, make_id_query(ids))
    return {one.subscription_id: one for one in map(parse_subscription, found)}


async def _find_block_owners(tx: Transaction, models: Sequence[SubscriptionDocument]) -> dict[UUID, UUID]:
    blocks = sorted({block for one in models for block in list_owned_blocks(one)})
    if not blocks:
        return {}
    found = await tx.find(SUBSCRIPTIONS, {"block_ids": {"$in": blocks}}, projection={"block_ids": 1})
    return {UUID(block): UUID(one["_id"]) for one in found for block in one["block_ids"]}


def _take_within(documents: list[dict[str, Any]], n_bytes: int) -> tuple[dict[str, Any], ...]:
    """Return the first documents that fit into `n_bytes` as JSON."""
    taken: list[dict[str, Any]] = []
    for document in documents:
        n_bytes -= len(json.dumps(document))
        if n_bytes < 0:
            break
        taken.append(document)
    return tuple(taken)


def _parse_id(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
