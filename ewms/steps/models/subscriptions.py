"""Subscription models: what a step reads and changes of a subscription."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

from ewms.steps.models.domain_model import DomainModel
from ewms.steps.models.lifecycles import WrongLifecycle
from ewms.steps.models.storage import convert_fields, dump_model, load_fields
from ewms.steps.step_scope import StepScope, current_scope
from schemas.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionFilter, SubscriptionLifecycle

#: The class of each product's subscriptions, by the product's name. It decides where a class is not named in the code.
#:
#:     SUBSCRIPTION_MODEL_REGISTRY.update({"Node Enrollment": NodeEnrollment})
SUBSCRIPTION_MODEL_REGISTRY: dict[str, type["SubscriptionModel"]] = {}

_HEADER = (
    *("subscription_id", "product", "customer_id", "description", "status"),
    *("insync", "start_date", "end_date", "note", "version"),
)


class SubscriptionModel(DomainModel):
    """A customer's subscription. Derive a base class, and a class for each lifecycle that demands more.

    A step gets it by annotation or by `from_subscription`, changes it, and returns it. It is stored when the step
    clears, and not before.

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
        """Return a new subscription to a product. Blocks that it must have are made empty, fixed inputs are filled in.

        subscription = NodeInactive.from_product_id(product_id=product, customer_id=organisation)
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
        """Return the stored subscription as this class. `SubscriptionModel` itself finds the class in the registry.

            subscription = Node.from_subscription(subscription_id)

        Raises:
            LookupError: there is none.
            WrongLifecycle: its lifecycle has a class that is stricter than this one, or another one.
            ValidationError: its values are not enough for this class.
        """
        scope = current_scope(f"{cls.__name__}.from_subscription")
        return cls.from_document(scope.read_subscription(UUID(str(subscription_id))), scope)

    @classmethod
    def from_document(cls, document: SubscriptionDocument, scope: StepScope) -> Self:
        """Return `document` as this class, or as the registry's class where this one has no family."""
        kind: type[Any] = cls
        if cls.class_family is None:
            kind = find_class(document.product.name, document.status)
        kind.check_lifecycle(document.status, f"subscription {document.subscription_id}")
        header = {name: getattr(document, name) for name in _HEADER}
        model: Self = kind(**header, **load_fields(kind, document, scope))
        return model

    @classmethod
    def from_other_lifecycle(cls, other: "SubscriptionModel", status: SubscriptionLifecycle) -> Self:
        """Return `other` in the lifecycle `status`, as this class. Its values must be enough for that.

        subscription = Node.from_other_lifecycle(subscription, SubscriptionLifecycle.ACTIVE)
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
        """Raise WrongLifecycle if `what`, which is in lifecycle `status`, must not be of this class."""
        if cls.class_family is None:
            raise WrongLifecycle(f"{cls.__name__} has no base: derive it from a class with is_base=True")
        cls.class_family.check_class(cls, status, what)

    def to_document(self) -> SubscriptionDocument:
        """Return the subscription as stored. Blocks of other subscriptions are references in it."""
        values, depends_on = dump_model(self, self.subscription_id)
        header = {name: getattr(self, name) for name in _HEADER}
        return SubscriptionDocument(**header, values=values, depends_on=depends_on)

    def save(self) -> None:
        """Store the subscription when the step clears, also if the step does not return it."""
        current_scope("save").save(self.to_document())

    @property
    def depends_on(self) -> list[SubscriptionDocument]:
        """The subscriptions whose blocks this one refers to."""
        scope = current_scope("depends_on")
        return [scope.read_subscription(owner) for owner in self.to_document().depends_on]

    @property
    def in_use_by(self) -> list[SubscriptionDocument]:
        """The subscriptions that refer to blocks of this one."""
        return current_scope("in_use_by").find_subscriptions(SubscriptionFilter(depends_on=self.subscription_id))


Subscription = TypeVar("Subscription", bound=SubscriptionModel)


def find_class(product_name: str, status: SubscriptionLifecycle) -> type[SubscriptionModel]:
    """Return the class that the registry has for the product's subscriptions in lifecycle `status`.

    Raises:
        LookupError: the registry does not know the product.
    """
    family = (
        SUBSCRIPTION_MODEL_REGISTRY[product_name].class_family if product_name in SUBSCRIPTION_MODEL_REGISTRY else None
    )
    if family is None:
        raise LookupError(f"SUBSCRIPTION_MODEL_REGISTRY has no class for the product {product_name!r}")
    found: type[SubscriptionModel] = family.class_for(status)
    return found


def change_lifecycle(subscription: Subscription, status: SubscriptionLifecycle) -> Any:
    """Return `subscription` in the lifecycle `status`, as the class that its model has for that.

        subscription = change_lifecycle(subscription, SubscriptionLifecycle.PROVISIONING)

    Raises:
        ValidationError: its values are not enough for that class.
    """
    family = type(subscription).class_family
    if family is None:
        raise WrongLifecycle(f"{type(subscription).__name__} has no base: derive it from a class with is_base=True")
    return family.class_for(status).from_other_lifecycle(subscription, status)


def find_product(scope: StepScope, *, product_id: UUID | None = None, name: str | None = None) -> ProductDocument:
    """Return the product with this id or name.

    Raises:
        LookupError: there is none.
    """
    for product in scope.source.find_products():
        if product.product_id == product_id or product.name == name:
            return product
    raise LookupError(f"there is no product {name or product_id}")
