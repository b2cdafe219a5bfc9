"""Put a block that was changed on its own back into the subscription that owns the block.

    values   a ─► Port 1 ─► Node 7 (another owner's)      block   Port 1, vlan 13
             b ─► Port 1 (reference)

The values of the block replace the values in the subscription. The same holds for the blocks below it that have the
same owner. In a subscription, a block is written with all its values where it occurs first, and as a reference
everywhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ewms.steps.models.domain_model import DomainModel
from ewms.steps.models.storage import dump_block
from schemas.engine.subscriptions import SubscriptionDocument, find_block, is_block, iterate_blocks

_HEAD = ("product_block_name", "subscription_instance_id", "owner_subscription_id")


@dataclass
class _Rewriting:
    """The work on one subscription: the changed blocks, the ids of those already written, and the owners of other
    blocks.
    """

    document: SubscriptionDocument
    changed: Mapping[str, Mapping[str, Any]]
    written: set[str] = field(default_factory=set)
    owners: dict[UUID, None] = field(default_factory=dict)

    def write_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._write_value(value) for name, value in values.items()}

    def _write_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._write_value(item) for item in value]
        return self._write_block(value) if is_block(value) else value

    def _write_block(self, block: Mapping[str, Any]) -> dict[str, Any]:
        block_id, owner = block["subscription_instance_id"], UUID(block["owner_subscription_id"])
        head = {name: block[name] for name in _HEAD}
        if owner != self.document.subscription_id:
            self.owners[owner] = None
            return {**head, "is_reference": True}
        if block_id in self.written:
            return {**head, "is_reference": True}
        self.written.add(block_id)
        stored = find_block(self.document.values, UUID(block_id)) or {}
        # A class may have fewer fields than what is stored. The others stay.
        whole = {**stored, **self.changed.get(block_id, {})}
        return {**head, **self.write_values({name: one for name, one in whole.items() if name not in _HEAD})}


def replace_block(document: SubscriptionDocument, block: DomainModel, block_id: UUID) -> SubscriptionDocument:
    """Return `document` with the new values of `block`, which it owns, and of the document's other blocks below
    `block`.

    Raises:
        LookupError: no field of the subscription leads to the block.
    """
    if find_block(document.values, block_id) is None:
        raise LookupError(
            f"subscription {document.subscription_id} has no block {block_id}: "
            "put a new block into a field of the subscription, and save that"
        )
    dumped = dump_block(block, document.subscription_id)
    changed = {
        one["subscription_instance_id"]: one for one in iterate_blocks({"": dumped}) if not one.get("is_reference")
    }
    work = _Rewriting(document, changed)
    values = work.write_values(document.values)
    return document.model_copy(update={"values": values, "depends_on": tuple(work.owners)})
