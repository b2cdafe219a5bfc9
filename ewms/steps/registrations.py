"""Register workflows and products. A registration says to which products a workflow is attached."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from ewms.steps.definitions import ProcessDefinition, list_definitions
from ewms.steps.graph_export import export_graph
from schemas.engine.graph import Definition
from schemas.engine.processes import Target, attaches_to
from schemas.engine.subscriptions import ProductDocument


class WorkflowRegistration(BaseModel):
    """A workflow, and the products to which it is attached: those with this `tag` whose name matches
    `search_phrase`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1)
    target: Target
    description: str = ""
    tag: str = ""
    search_phrase: str = "%"

    @property
    def is_task(self) -> bool:
        """Return whether processes of the workflow are tasks."""
        return self.target.is_task

    def attaches_to(self, product: ProductDocument) -> bool:
        """Return whether the workflow can be used on subscriptions to `product`."""
        return attaches_to(product, tag=self.tag, search_phrase=self.search_phrase)


_REGISTRATIONS: dict[str, WorkflowRegistration] = {}
_PRODUCTS: dict[UUID, ProductDocument] = {}

#: A product that is registered without an id gets one that its name decides, so that a repetition finds it.
_PRODUCT_IDS = uuid5(NAMESPACE_URL, "ewms:products")


def register_workflow(**params: Any) -> WorkflowRegistration:
    """Attach a workflow to products. `name` is the name of its function; in `search_phrase`, `%` stands for any text.

    A second call with the same name replaces the first registration.

        register_workflow(
            name="create_node_enrollment",
            target="CREATE",
            description="Create Node Enrollment Service",
            tag="NodeEnrollment",
            search_phrase="Node Enrollment%",
        )

    Raises:
        ValidationError: a parameter is missing, or `target` is no `Target`.
    """
    registration = WorkflowRegistration.model_validate(params)
    _REGISTRATIONS[registration.name] = registration
    return registration


def register_product(
    name: str,
    *,
    tag: str,
    product_type: str = "",
    description: str = "",
    fixed_inputs: Mapping[str, Any] | None = None,
    product_id: UUID | str | None = None,
) -> ProductDocument:
    """Register a product, and return it. A second call with the same name replaces the first product.

    register_product("Node Enrollment", tag="NodeEnrollment", product_type="Node")
    """
    product = ProductDocument(
        product_id=UUID(str(product_id)) if product_id else uuid5(_PRODUCT_IDS, name),
        name=name,
        tag=tag,
        product_type=product_type,
        description=description,
        fixed_inputs=dict(fixed_inputs or {}),
    )
    for other in [one for one in _PRODUCTS.values() if one.name == name]:
        del _PRODUCTS[other.product_id]
    _PRODUCTS[product.product_id] = product
    return product


def list_registrations() -> list[WorkflowRegistration]:
    """Return all registrations, in the order of their names."""
    return [_REGISTRATIONS[name] for name in sorted(_REGISTRATIONS)]


def list_products() -> list[ProductDocument]:
    """Return all registered products, in the order of their names."""
    return sorted(_PRODUCTS.values(), key=lambda product: product.name)


def list_mismatches() -> list[str]:
    """Return a sentence for each difference between code and registrations. The worker logs them when it starts."""
    defined = {one.name: one for one in list_definitions()}
    found = [f"{name} is registered, and no code defines it" for name in sorted(_REGISTRATIONS.keys() - defined.keys())]
    found += [f"{name} is defined, and not registered" for name in sorted(defined.keys() - _REGISTRATIONS.keys())]
    for name in sorted(defined.keys() & _REGISTRATIONS.keys()):
        code, said = defined[name].target, _REGISTRATIONS[name].target
        if code is not said and not (code.is_task and said.is_task):
            found.append(f"{name} is registered as {said}, and its code is a {code}")
    return found


def find_target(definition: ProcessDefinition) -> Target:
    """Return the target of `definition`: the registration's if there is one, else the target in the code."""
    said = _REGISTRATIONS.get(definition.name)
    return said.target if said else definition.target


def export_definition(definition: ProcessDefinition, pool: str = "default") -> Definition:
    """Return `definition` in the form that a worker of `pool` sends to WMS, with the facts of its registration."""
    said = _REGISTRATIONS.get(definition.name)
    return Definition(
        name=definition.name,
        graph=export_graph(definition.steps),
        pool=pool,
        description=(said and said.description) or definition.description,
        target=str(find_target(definition)),
        tag=said.tag if said else "",
        search_phrase=said.search_phrase if said else "",
        # Without a form of the author's, a start sends one empty page.
        has_form=True,
    )


@contextmanager
def keep_registrations() -> Iterator[None]:
    """At the end of the block, restore the registrations from before the block. Tests use this."""
    registrations, products = dict(_REGISTRATIONS), dict(_PRODUCTS)
    try:
        yield
    finally:
        _REGISTRATIONS.clear()
        _REGISTRATIONS.update(registrations)
        _PRODUCTS.clear()
        _PRODUCTS.update(products)
