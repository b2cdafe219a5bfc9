"""Parse the subscriptions that a step changes, and check what can be checked without the stored documents. (core)

Only a subscription's own blocks have values. A block of another subscription is reduced to a reference, so a commit
never writes the other owner's values.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from schemas.engine.subscriptions import MAX_SUBSCRIPTION_BYTES, SubscriptionDocument, is_block
from wms.engine.brought import StepRefused

#: So many subscriptions one step may change.
MAX_MODELS = 500
_HEAD = ("product_block_name", "subscription_instance_id", "owner_subscription_id")
#: The largest integer that MongoDB holds.
_MAX_INTEGER = 2**63 - 1


def read_models(models: Sequence[Mapping[str, Any]]) -> list[SubscriptionDocument]:
    """Return the subscriptions that a step changes. Their `depends_on` follows from their blocks.

    Raises:
        StepRefused: one of them is no subscription, cannot be stored, or comes twice; or there are too many.
    """
    if len(models) > MAX_MODELS:
        raise StepRefused("TooManySubscriptions", f"the step changes {len(models)} subscriptions; {MAX_MODELS} may be")
    read = [_read_model(model) for model in models]
    seen: set[UUID] = set()
    for one in read:
        if one.subscription_id in seen:
            raise StepRefused("InvalidSubscription", f"subscription {one.subscription_id} comes twice")
        seen.add(one.subscription_id)
    return read


def _read_model(model: Mapping[str, Any]) -> SubscriptionDocument:
    what = f"subscription {str(model.get('subscription_id', 'without an id'))[:64]}"
    try:
        document = SubscriptionDocument.model_validate(dict(model))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise StepRefused("InvalidSubscription", f"{what}: {where}: {fault['msg']}") from error
    if document.version < 0:
        raise StepRefused("InvalidSubscription", f"{what}: version: it is negative")
    try:
        _check_plain(document.values, "")
        _check_plain({"description": document.description, "note": document.note}, "")
    except (ValueError, RecursionError) as error:
        reason = "values are nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise StepRefused("NotStorable", f"{what}: {reason}") from error
    _check_size(document, what)
    reading = _BlockReading(document.subscription_id, what)
    values = reading.read_values(document.values)
    reading.check_own_references()
    return document.model_copy(update={"values": values, "depends_on": tuple(reading.owners)})


def _check_plain(value: Any, where: str) -> None:
    match value:
        case dict():
            for key, item in value.items():
                if not isinstance(key, str) or key.startswith("$") or "\0" in key:
                    raise ValueError(f"{where or 'the values'} has the key {key!r}, which cannot be stored")
                _check_plain(item, f"{where}.{key}" if where else key)
        case list() | tuple():
            for number, item in enumerate(value):
                _check_plain(item, f"{where}.{number}")
        case bool() | None:
            pass
        case int() if abs(value) > _MAX_INTEGER:
            raise ValueError(f"{where} is an integer of more than 64 bits")
        case float() if not math.isfinite(value):
            raise ValueError(f"{where} is {value}, which JSON cannot hold")
        case str() if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"{where} has half of a character, which cannot be stored")
        case int() | float() | str():
            pass
        case _:
            raise ValueError(f"{where} is a {type(value).__name__}, which JSON cannot hold")


def _check_size(document: SubscriptionDocument, what: str) -> None:
    sizes = {name: len(json.dumps(value).encode()) for name, value in document.values.items()}
    sizes |= {"description": len(document.description), "note": len(document.note or "")}
    if sum(sizes.values()) > MAX_SUBSCRIPTION_BYTES:
        largest = max(sizes, key=lambda name: sizes[name])
        raise StepRefused(
            "SubscriptionTooLarge",
            f"{what} takes more than {MAX_SUBSCRIPTION_BYTES} bytes as JSON; the field {largest!r} alone takes "
            f"{sizes[largest]}",
        )


class _BlockReading:
    """The work on one subscription: its own blocks, and the other subscriptions to which it refers."""

    def __init__(self, subscription_id: UUID, what: str) -> None:
        self._own = subscription_id
        self._what = what
        self._written: set[UUID] = set()
        self._own_references: set[UUID] = set()
        self._owner_by_block: dict[UUID, UUID] = {}
        #: The owners of the blocks of others, in the order in which they come.
        self.owners: dict[UUID, None] = {}

    def read_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return `values` with references in place of the blocks of other subscriptions."""
        return {name: self._read_value(name, value) for name, value in values.items()}

    def check_own_references(self) -> None:
        """Refuse a reference to an own block that the subscription does not have.

        Raises:
            StepRefused: there is such a reference.
        """
        for block_id in sorted(self._own_references - self._written, key=str):
            raise StepRefused("InvalidSubscription", f"{self._what} refers to its own block {block_id} and has none")

    def _read_value(self, name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._read_block(name, item) if is_block(item) else item for item in value]
        return self._read_block(name, value) if is_block(value) else value

    def _read_block(self, name: str, block: dict[str, Any]) -> dict[str, Any]:
        try:
            block_id = UUID(str(block["subscription_instance_id"]))
            owner = UUID(str(block.get("owner_subscription_id", "")))
        except ValueError:
            reason = f"{self._what}: the block in {name!r} has no valid id or owner"
            raise StepRefused("InvalidSubscription", reason) from None
        head: dict[str, Any] = {
            **{key: block[key] for key in _HEAD if key in block},
            "subscription_instance_id": str(block_id),
            "owner_subscription_id": str(owner),
        }
        if self._owner_by_block.setdefault(block_id, owner) != owner:
            raise StepRefused("InvalidSubscription", f"{self._what} has the block {block_id} with two owners")
        if owner != self._own:
            self.owners[owner] = None
            return {**head, "is_reference": True}
        if block.get("is_reference"):
            self._own_references.add(block_id)
            return {**head, "is_reference": True}
        if block_id in self._written:
            raise StepRefused("InvalidSubscription", f"{self._what} has the block {block_id} twice")
        self._written.add(block_id)
        return {**head, **self.read_values({key: value for key, value in block.items() if key not in _HEAD})}


def list_references(values: Mapping[str, Any]) -> dict[UUID, UUID]:
    """Return block id -> owner for each block to which `values` refer, at any depth."""
    found: dict[UUID, UUID] = {}
    for value in values.values():
        for item in value if isinstance(value, list) else [value]:
            if not is_block(item):
                continue
            if item.get("is_reference"):
                found[UUID(item["subscription_instance_id"])] = UUID(item["owner_subscription_id"])
            else:
                found |= list_references(item)
    return found
