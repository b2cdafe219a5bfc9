"""Product blocks: the parts of a subscription. Each block has an id and an owner."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self
from uuid import UUID

from ewms.steps.models.block_saving import replace_block
from ewms.steps.models.domain_model import DomainModel
from ewms.steps.models.storage import load_block
from ewms.steps.step_scope import current_scope
from schemas.engine.subscriptions import (
    SubscriptionDocument,
    SubscriptionFilter,
    SubscriptionLifecycle,
    refers_to_block,
)


class ProductBlockModel(DomainModel):
    """A part of a subscription, with an id and an owner.

    A subscription may refer to a block that another subscription owns. The first subscription then shows the block's
    values, never writes them, and depends on the owner.

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
        """Make a new block that the subscription `subscription_id` owns, with new blocks in its required fields, and
        return it.

            port = PortBlockInactive.new(subscription_id=subscription.subscription_id, vlan=12)
        """
        block_id = current_scope(f"{cls.__name__}.new").make_id()
        filled = cls.fill_blocks(subscription_id, fields)
        return cls(subscription_instance_id=block_id, owner_subscription_id=subscription_id, **filled)

    @classmethod
    def from_db(cls, subscription_instance_id: UUID | str) -> Self:
        """Return the stored block with this id. Any subscription may own the block.

            port = PortBlock.from_db(port_id)

        Raises:
            LookupError: there is no such block.
        """
        scope = current_scope(f"{cls.__name__}.from_db")
        block_id = UUID(str(subscription_instance_id))
        owners = scope.find_subscriptions(SubscriptionFilter(owns_block=block_id))
        if not owners:
            raise LookupError(f"there is no block {block_id}")
        return load_block(cls, block_id, owners[0], scope)

    def save(self) -> None:
        """Store the block in its owner when the step clears. The owner's other values do not change.

            port = PortBlock.from_db(port_id)
            port.vlan = 12
            port.save()

        If another process has changed the owner after the step read it, the step fails with `StaleVersion`.

        Raises:
            LookupError: there is no owner, or no field of the owner leads to the block.
        """
        scope = current_scope(f"{type(self).__name__}.save")
        owner = scope.read_subscription(self.owner_subscription_id)
        scope.save(replace_block(owner, self, self.subscription_instance_id))

    @property
    def in_use_by(self) -> list[SubscriptionDocument]:
        """The other subscriptions that refer to this block."""
        wanted = SubscriptionFilter(depends_on=self.owner_subscription_id)
        users = current_scope("in_use_by").find_subscriptions(wanted)
        return [one for one in users if refers_to_block(one, self.subscription_instance_id)]
