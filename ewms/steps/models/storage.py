"""Convert models to stored values and back. A block of another owner is stored as a reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from ewms.steps.models.domain_model import DomainModel
from ewms.steps.step_scope import StepScope
from schemas.engine.subscriptions import CircularBlocks, SubscriptionDocument, find_block, is_block

Block = TypeVar("Block", bound=DomainModel)


@dataclass
class _Dump:
    """The work of one conversion: the subscription, the blocks already written, and the owners of the other blocks."""

    subscription_id: UUID
    written: set[UUID] = field(default_factory=set)
    owners: dict[UUID, None] = field(default_factory=dict)

    def dump_fields(self, model: DomainModel) -> dict[str, Any]:
        shapes = model.own_shapes()
        values: dict[str, Any] = model.model_dump(
            mode="json", include={name for name, shape in shapes.items() if not shape.kinds}
        )
        for name, shape in shapes.items():
            if shape.kinds:
                value = getattr(model, name)
                values[name] = (
                    [self.dump_block(one) for one in value] if isinstance(value, list) else self.dump_block(value)
                )
        return values

    def dump_block(self, block: Any) -> dict[str, Any] | None:
        if block is None:
            return None
        block_id, owner = block.subscription_instance_id, block.owner_subscription_id
        head = {
            "product_block_name": block.product_block_name,
            "subscription_instance_id": str(block_id),
            "owner_subscription_id": str(owner),
        }
        if owner != self.subscription_id:
            self.owners[owner] = None
            return {**head, "is_reference": True}
        if block_id in self.written:
            return {**head, "is_reference": True}
        self.written.add(block_id)
        return {**head, **self.dump_fields(block)}


def dump_model(model: DomainModel, subscription_id: UUID) -> tuple[dict[str, Any], tuple[UUID, ...]]:
    """Return the subscription `model` as stored values, and the owners of the blocks to which it refers."""
    work = _Dump(subscription_id)
    return work.dump_fields(model), tuple(work.owners)


def dump_block(block: DomainModel, subscription_id: UUID) -> dict[str, Any]:
    """Return `block`, which the subscription owns, as stored values."""
    dumped = _Dump(subscription_id).dump_block(block)
    assert dumped is not None
    return dumped


@dataclass
class _Load:
    """The work of one conversion. A block that occurs in several fields becomes one object."""

    scope: StepScope
    loaded: dict[tuple[UUID, type[Any]], Any] = field(default_factory=dict)
    loading: set[UUID] = field(default_factory=set)

    def load_fields(
        self, kind: type[DomainModel], values: Mapping[str, Any], owner: SubscriptionDocument
    ) -> dict[str, Any]:
        """Return the arguments for the class `kind` from the stored `values`. Leave out values for which `kind` has no
        field.
        """
        found = {}
        for name, shape in kind.own_shapes().items():
            if name not in values:
                continue
            value = values[name]
            if shape.kinds and isinstance(value, list):
                value = [self.load_stored(_choose_kind(shape.kinds, one), one, owner) for one in value]
            elif shape.kinds and is_block(value):
                value = self.load_stored(_choose_kind(shape.kinds, value), value, owner)
            found[name] = value
        return found

    def load_stored(self, kind: type[Block], stored: Mapping[str, Any], owner: SubscriptionDocument) -> Block:
        block_id, owner_id = UUID(stored["subscription_instance_id"]), UUID(stored["owner_subscription_id"])
        if (block_id, kind) in self.loaded:
            known: Block = self.loaded[block_id, kind]
            return known
        if block_id in self.loading:
            raise CircularBlocks(f"block {block_id} refers to itself through other blocks")
        if owner_id != owner.subscription_id:
            owner = self.scope.read_subscription(owner_id)
        if stored.get("is_reference"):
            whole = find_block(owner.values, block_id)
            if whole is None:
                raise LookupError(f"subscription {owner_id} has no block {block_id} any more")
            stored = whole
        self.loading.add(block_id)
        fields = self.load_fields(kind, stored, owner)
        self.loading.remove(block_id)
        head: dict[str, Any] = {"subscription_instance_id": block_id, "owner_subscription_id": owner_id}
        block = kind(**head, **fields)
        self.loaded[block_id, kind] = block
        return block


def _choose_kind(kinds: tuple[type[Any], ...], stored: Mapping[str, Any]) -> type[Any]:
    """Return the first of `kinds` that has the stored block's name. If there is none, return the first of `kinds`."""
    return next((kind for kind in kinds if kind.product_block_name == stored.get("product_block_name")), kinds[0])


def load_fields(kind: type[DomainModel], document: SubscriptionDocument, scope: StepScope) -> dict[str, Any]:
    """Return the values of `document` for the fields of the class `kind`, except for the header fields."""
    return _Load(scope).load_fields(kind, document.values, document)


def load_block(kind: type[Block], block_id: UUID, owner: SubscriptionDocument, scope: StepScope) -> Block:
    """Return the block `block_id` of the subscription `owner` as an object of the class `kind`.

    Raises:
        LookupError: the subscription has no such block.
    """
    stored = find_block(owner.values, block_id)
    if stored is None:
        raise LookupError(f"subscription {owner.subscription_id} has no block {block_id}")
    return _Load(scope).load_stored(kind, stored, owner)


def convert_fields(model: DomainModel, kind: type[DomainModel]) -> dict[str, Any]:
    """Return those fields of `model` that `kind` has, too. Convert their blocks to the classes that `kind` demands."""
    fields = {}
    for name, shape in kind.own_shapes().items():
        if name not in type(model).model_fields:
            continue
        value = getattr(model, name)
        if shape.kinds and isinstance(value, list):
            value = [_convert_block(one, shape.kinds) for one in value]
        elif shape.kinds and value is not None:
            value = _convert_block(value, shape.kinds)
        fields[name] = value
    return fields


def _convert_block(block: Any, kinds: tuple[type[Any], ...]) -> Any:
    kind = next((one for one in kinds if one.product_block_name == block.product_block_name), kinds[0])
    if type(block) is kind:
        return block
    return kind(
        subscription_instance_id=block.subscription_instance_id,
        owner_subscription_id=block.owner_subscription_id,
        **convert_fields(block, kind),
    )
