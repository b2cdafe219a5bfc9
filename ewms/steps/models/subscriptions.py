"""Subscription models: a step reads and changes a subscription through them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

from ewms.steps.models.domain_model import DomainModel
from ewms.steps.models.lifecycles import WrongLifecycle
from ewms.steps.models.storage import convert_fields, dump_model, load_fields
from ewms.steps.step_scope import StepScope, current_scope
from schemas.engine.subscriptions import (
    ProductDocument,
    SubscriptionDocument,
    SubscriptionFilter,
    SubscriptionLifecycle,
)

#: The class of each product's subscriptions, by the product's name. It decides if the code names no class.
#:
#:     SUBSCRIPTION_MODEL_REGISTRY.update({"Node Enrollment": NodeEnrollment})
SUBSCRIPTION_MODEL_REGISTRY: dict[str, type["SubscriptionModel"]] = {}

_HEADER = (
    *("subscription_id", "product", "customer_id", "description", "status"),
    *("insync", "start_date", "end_date", "note", "version"),
)


class SubscriptionModel(DomainModel):
    """A customer's subscription. Derive a base class, and a class for each lifecycle that demands more values.

    A step gets a model by annotation or by `from_subscription`, changes the model, and returns it. The engine stores
    the model when the step clears, and not before.

        class NodeInactive(SubscriptionModel, is_base=True):
            ne: NodeBlockInactive

        class Node(NodeInactive, lifecycle=[SubscriptionLifecycle.ACTIVE]):
            ne: NodeBlock
    """

    header_fields = frozenset(_HEADER)
    product_block_name: ClassVar[str] = ""

    product: ProductDocument
    customer_id: str
    subscription_id: UUID
    description: str = ""
    status: SubscriptionLifecycle = SubscriptionLifecycle.INITIAL
    insync: bool = False
    start_date: datetime | None = None
    end_date: datetime | None = None
    note: str | None = None
    version: int = 0

    def __init_subclass__(
        cls, *, is_base: bool = False, lifecycle: Sequence[SubscriptionLifecycle] | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.join_family(is_base, lifecycle)

    @classmethod
    def from_product_id(
        cls,
        product_id: UUID | str,
        customer_id: UUID | str,
        status: SubscriptionLifecycle = SubscriptionLifecycle.INITIAL,
        description: str | None = None,
        insync: bool = False,
        **fields: Any,
    ) -> Self:
        """Make a new subscription to a product, and return it. It gets the product's fixed inputs, and a new block in
        each required field.

            subscription = NodeInactive.from_product_id(product_id=product, customer_id=organisation)

        Raises:
            LookupError: there is no such product.
            WrongLifecycle: the lifecycle `status` does not allow this class.
            ValidationError: `fields` and the fixed inputs are not enough for this class.
        """
        scope = current_scope(f"{cls.__name__}.from_product_id")
        product = find_product(scope, product_id=UUID(str(product_id)))
        cls.check_lifecycle(status, f"a new subscription to {product.name}")
        subscription_id = scope.make_id()
        inputs = {name: value for name, value in product.fixed_inputs.items() if name in cls.own_shapes()}
        return cls(
            product=product,
            customer_id=str(customer_id),
            subscription_id=subscription_id,
            description=f"Initial subscription of {product.description or product.name}"
            if description is None
            else description,
            status=status,
            insync=insync,
            start_date=scope.now if status is SubscriptionLifecycle.ACTIVE else None,
            **cls.fill_blocks(subscription_id, inputs | fields),
        )

    @classmethod
    def from_subscription(cls, subscription_id: UUID | str) -> Self:
        """Return the stored subscription as this class. A class that has no base (`is_base=True`) takes its class from
        the registry.

            subscription = Node.from_subscription(subscription_id)

        Raises:
            LookupError: there is no such subscription, or the registry has no class for its product.
            WrongLifecycle: the subscription's lifecycle does not allow this class.
            ValidationError: the values of the subscription are not enough for this class.
            ValueError: the id is not a UUID.
            OutsideOfStep: no step, form or condition is running.
        """
        scope = current_scope(f"{cls.__name__}.from_subscription")
        return cls.from_document(scope.read_subscription(UUID(str(subscription_id))), scope)

    @classmethod
    def from_document(cls, document: SubscriptionDocument, scope: StepScope) -> Self:
        """Return `document` as this class. If this class has no family, take the class from the registry.

        Raises:
            LookupError: the registry has no class for the product, or a block does not exist.
            WrongLifecycle: the document's lifecycle does not allow this class.
            ValidationError: the values of the document are not enough for the class.
        """
        kind: type[Any] = cls
        if cls.class_family is None:
            kind = find_class(document.product.name, document.status)
        kind.check_lifecycle(document.status, f"subscription {document.subscription_id}")
        header = {name: getattr(document, name) for name in _HEADER}
        model: Self = kind(**header, **load_fields(kind, document, scope))
        return model

    @classmethod
    def from_other_lifecycle(cls, other: "SubscriptionModel", status: SubscriptionLifecycle) -> Self:
        """Return `other` as this class, with the lifecycle `status`.

            subscription = Node.from_other_lifecycle(subscription, SubscriptionLifecycle.ACTIVE)

        Raises:
            WrongLifecycle: the lifecycle `status` does not allow this class.
            ValidationError: the values of `other` are not enough for this class.
        """
        cls.check_lifecycle(status, f"subscription {other.subscription_id} as of now")
        now = current_scope(f"{cls.__name__}.from_other_lifecycle").now
        header = {name: getattr(other, name) for name in _HEADER} | {"status": status}
        if status is SubscriptionLifecycle.ACTIVE:
            header["start_date"] = other.start_date or now
        if status is SubscriptionLifecycle.TERMINATED:
            header["end_date"] = now
        return cls(**header, **convert_fields(other, cls))

    @classmethod
    def check_lifecycle(cls, status: SubscriptionLifecycle, what: str) -> None:
        """Raise WrongLifecycle if lifecycle `status` does not allow this class. `what` names the subscription."""
        if cls.class_family is None:
            raise WrongLifecycle(f"{cls.__name__} has no base: derive it from a class with is_base=True")
        cls.class_family.check_class(cls, status, what)

    def to_document(self) -> SubscriptionDocument:
        """Return the subscription as WMS stores it, with references to the blocks of other subscriptions."""
        values, depends_on = dump_model(self, self.subscription_id)
        header = {name: getattr(self, name) for name in _HEADER}
        return SubscriptionDocument(**header, values=values, depends_on=depends_on)

    def save(self) -> None:
        """Store the subscription when the step clears, even if the step does not return it.

        Raises:
            OutsideOfStep: no step runs.
        """
        current_scope("save").save(self.to_document())

    @property
    def depends_on(self) -> list[SubscriptionDocument]:
        """The subscriptions to whose blocks this subscription refers."""
        scope = current_scope("depends_on")
        return [scope.read_subscription(owner) for owner in self.to_document().depends_on]

    @property
    def in_use_by(self) -> list[SubscriptionDocument]:
        """The subscriptions that refer to blocks of this subscription."""
        return current_scope("in_use_by").find_subscriptions(SubscriptionFilter(depends_on=self.subscription_id))


Subscription = TypeVar("Subscription", bound=SubscriptionModel)


def find_class(product_name: str, status: SubscriptionLifecycle) -> type[SubscriptionModel]:
    """Return the registry's class for a subscription to the product with the lifecycle `status`.

    Raises:
        LookupError: the registry does not have the product.
    """
    family = (
        SUBSCRIPTION_MODEL_REGISTRY[product_name].class_family if product_name in SUBSCRIPTION_MODEL_REGISTRY else None
    )
    if family is None:
        raise LookupError(f"SUBSCRIPTION_MODEL_REGISTRY has no class for the product {product_name!r}")
    found: type[SubscriptionModel] = family.class_for(status)
    return found


def change_lifecycle(subscription: Subscription, status: SubscriptionLifecycle) -> Any:
    """Return `subscription` with the lifecycle `status`, as the class of its model for this lifecycle.

        subscription = change_lifecycle(subscription, SubscriptionLifecycle.PROVISIONING)

    Raises:
        WrongLifecycle: the model has no base class.
        ValidationError: the values of the subscription are not enough for that class.
    """
    family = type(subscription).class_family
    if family is None:
        raise WrongLifecycle(f"{type(subscription).__name__} has no base: derive it from a class with is_base=True")
    return family.class_for(status).from_other_lifecycle(subscription, status)


def find_product(scope: StepScope, *, product_id: UUID | None = None, name: str | None = None) -> ProductDocument:
    """Return the product with this id or name.

    Raises:
        LookupError: there is no such product.
    """
    for product in scope.source.find_products():
        if product.product_id == product_id or product.name == name:
            return product
    raise LookupError(f"there is no product {name or product_id}")
