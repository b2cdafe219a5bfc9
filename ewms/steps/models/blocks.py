"""Product blocks: the parts of a subscription, each with an id and an owner."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self
from uuid import UUID

from ewms.steps.models.domain_model import DomainModel
from ewms.steps.models.storage import load_block
from ewms.steps.step_scope import current_scope
from schemas.subscriptions import SubscriptionDocument, SubscriptionFilter, SubscriptionLifecycle


class ProductBlockModel(DomainModel):
    """A part of a subscription, with an id and an owner of its own.

    A block of another subscription is a reference: its user shows its values, never writes them, and depends on the
    owner.

        class NodeBlockInactive(ProductBlockModel, product_block_name="Node"):
            node_name: str | None = None

        class NodeBlock(NodeBlockInactive, lifecycle=[SubscriptionLifecycle.ACTIVE]):
            node_name: str
    """

    header_fields = frozenset({"subscription_instance_id", "owner_subscription_id"})
    product_block_name: ClassVar[str] = ""

    subscription_instance_id: UUID
    owner_subscription_id: UUID

    def __init_subclass__(
        cls,
        *,
        product_block_name: str = "",
        lifecycle: Sequence[SubscriptionLifecycle] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if product_block_name:
            cls.product_block_name = product_block_name
        cls.join_family(bool(product_block_name), lifecycle)

    @classmethod
    def new(cls, subscription_id: UUID, **fields: Any) -> Self:
        """Return a new block that `subscription_id` owns. Blocks within it that it must have are made, too.

        port = PortBlockInactive.new(subscription_id=subscription.subscription_id, vlan=12)
        """
        block_id = current_scope(f"{cls.__name__}.new").make_id()
        filled = cls.fill_blocks(subscription_id, fields)
        return cls(subscription_instance_id=block_id, owner_subscription_id=subscription_id, **filled)

    @classmethod
    def from_db(cls, subscription_instance_id: UUID | str) -> Self:
        """Return the stored block with this id, whichever subscription owns it.

        port = PortBlock.from_db(port_id)
        """
        scope = current_scope(f"{cls.__name__}.from_db")
        block_id = UUID(str(subscription_instance_id))
        owners = scope.find_subscriptions(SubscriptionFilter(owns_block=block_id))
        if not owners:
            raise LookupError(f"there is no block {block_id}")
        return load_block(cls, block_id, owners[0], scope)

    @property
    def in_use_by(self) -> list[SubscriptionDocument]:
        """The subscriptions that depend on the block's owner."""
        wanted = SubscriptionFilter(depends_on=self.owner_subscription_id)
        return current_scope("in_use_by").find_subscriptions(wanted)
