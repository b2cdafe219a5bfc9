"""Plan how the commit of a step changes subscriptions: all of them, or a reason why the step fails. (core)

stored version      the step has read      what happens
none                0                      it is created, at version 1
none                more                   StaleVersion: it does not exist any more
n                   n                      it is stored, at version n + 1
n                   another one            StaleVersion: another process has changed it
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from runtime.kernel.decision import Change
from schemas.engine.run_documents import RunDocument
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionLifecycle, find_block
from schemas.events import StepStatedFact
from schemas.ids import NodeKey
from wms.engine.brought import StepRefused
from wms.processes.subscriptions.brought_models import list_references
from wms.processes.subscriptions.subscription_documents import list_owned_blocks, make_insert, make_update

#: So many events one step may state, with names of at most this length.
MAX_EVENTS = 100
_MAX_NAME = 256


@dataclass(frozen=True, kw_only=True)
class StoredAround:
    """The stored documents that the plan of a commit must compare with."""

    #: The subscriptions that the step brings, and the owners of blocks to which they refer, as far as they are stored.
    subscriptions: Mapping[UUID, SubscriptionDocument] = field(default_factory=dict)
    products: Mapping[UUID, ProductDocument] = field(default_factory=dict)
    #: The subscription that stores a block, for each block that the step brings and that is stored.
    block_owners: Mapping[UUID, UUID] = field(default_factory=dict)


def list_wanted_subscriptions(models: Sequence[SubscriptionDocument]) -> set[UUID]:
    """Return the ids of the stored subscriptions that `plan_subscriptions` needs."""
    return {one.subscription_id for one in models} | {owner for one in models for owner in one.depends_on}


def plan_subscriptions(
    models: Sequence[SubscriptionDocument], around: StoredAround, now: datetime
) -> tuple[Change, ...]:
    """Return the changes that store `models`.

    Raises:
        StepRefused: one of them is out of date, takes a block from another subscription, or refers to a block that does
            not exist.
    """
    brought = {one.subscription_id: one for one in models}
    changes: list[Change] = []
    for model in models:
        before = around.subscriptions.get(model.subscription_id)
        _check_version(model, before)
        _check_blocks(model, around)
        _check_references(model, before, brought, around)
        completed = _complete_model(model, around, now)
        changes.append(make_insert(completed, now) if before is None else make_update(completed, now))
    # Changes of one kind side by side take one round trip; the order within a transaction does not matter.
    return tuple(sorted(changes, key=lambda change: type(change).__name__))


def _check_version(model: SubscriptionDocument, before: SubscriptionDocument | None) -> None:
    what = f"subscription {model.subscription_id}"
    if before is None and model.version:
        raise StepRefused("StaleVersion", f"{what} is gone; the step has read its version {model.version}")
    if before is not None and before.version != model.version:
        read = f"the step has read version {model.version}" if model.version else "the step would create it"
        reason = f"{what} is at version {before.version}, and {read}: another process has changed it; retry the step"
        raise StepRefused("StaleVersion", reason)


def _check_blocks(model: SubscriptionDocument, around: StoredAround) -> None:
    for block_id in map(UUID, list_owned_blocks(model)):
        owner = around.block_owners.get(block_id, model.subscription_id)
        if owner != model.subscription_id:
            reason = f"subscription {model.subscription_id} claims the block {block_id} of subscription {owner}"
            raise StepRefused("InvalidSubscription", reason)


def _check_references(
    model: SubscriptionDocument,
    before: SubscriptionDocument | None,
    brought: Mapping[UUID, SubscriptionDocument],
    around: StoredAround,
) -> None:
    """Refuse a new reference to a block that does not exist. An older reference may have lost its block since.

    Raises:
        StepRefused: there is such a reference.
    """
    known = {} if before is None else list_references(before.values)
    for block_id, owner_id in list_references(model.values).items():
        if block_id in known or owner_id == model.subscription_id:
            continue
        owner = brought.get(owner_id) or around.subscriptions.get(owner_id)
        if owner is None or find_block(owner.values, block_id) is None:
            what = f"subscription {model.subscription_id} refers to the block {block_id}"
            raise StepRefused("InvalidSubscription", f"{what}, and subscription {owner_id} has none")


def _complete_model(model: SubscriptionDocument, around: StoredAround, now: datetime) -> SubscriptionDocument:
    changes: dict[str, Any] = {}
    product = around.products.get(model.product.product_id)
    if product is not None:
        changes["product"] = product
    if model.status is SubscriptionLifecycle.TERMINATED and model.end_date is None:
        changes["end_date"] = now
    return model.model_copy(update=changes)


def plan_facts(run: RunDocument, node: NodeKey, events: Sequence[Mapping[str, Any]]) -> tuple[StepStatedFact, ...]:
    """Return the events that a step publishes, as facts.

    Raises:
        StepRefused: an event has no name, or there are too many.
    """
    if len(events) > MAX_EVENTS:
        raise StepRefused("InvalidEvent", f"the step states {len(events)} events; {MAX_EVENTS} may be")
    facts: list[StepStatedFact] = []
    for number, event in enumerate(events):
        name, correlation = event.get("name"), event.get("correlation", "")
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or not isinstance(correlation, str):
            reason = f"event {number} of the step needs a name of 1 to {_MAX_NAME} characters, and a text to correlate"
            raise StepRefused("InvalidEvent", reason)
        facts.append(
            StepStatedFact(
                run=run.id,
                run_uuid=run.uuid,
                node=node,
                definition=run.definition,
                name=name,
                correlation=correlation,
                body=event.get("body"),
            )
        )
    return tuple(facts)
