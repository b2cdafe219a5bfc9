"""The first page of a workflow's form: it asks for the product, or for the subscription."""

from collections.abc import Generator
from typing import Any
from uuid import UUID

from pydantic import BaseModel, model_validator
from pydantic_forms.core import FormPage
from pydantic_forms.validators import Choice

from ewms.steps.forms import Form, StateForm, generator_of, join_forms
from ewms.steps.gates import GateQuestion, StartObstacle, find_obstacles
from ewms.steps.models.subscriptions import find_product
from ewms.steps.step_scope import StepScope, current_scope
from schemas.engine.processes import Target
from schemas.engine.subscriptions import SubscriptionFilter


def wrap_create_initial_input_form(form: Form | None) -> StateForm:
    """Return `form` after a page that asks for the product. The form gets `product` and `product_name` in its state.

    `@create_workflow` does this. Call this function in a decorator of your own.

        initial_input_form = wrap_create_initial_input_form(ask_for_node)
    """
    return join_forms(_ask_product, *([] if form is None else [generator_of(form)]))


def wrap_modify_initial_input_form(form: Form | None) -> StateForm:
    """Return `form` after a page that asks for a subscription. The page refuses a subscription that is not ready.

    The form gets `subscription_id`, `product`, `customer_id` and `version` in its state. The decorators of workflows on
    a subscription call this function.

        initial_input_form = wrap_modify_initial_input_form(ask_for_speed)
    """
    return join_forms(_ask_subscription, *([] if form is None else [generator_of(form)]))


def _ask_product(state: dict[str, Any]) -> Generator[type[BaseModel], Any, dict[str, Any]]:
    scope = current_scope("the form of a create workflow")
    products = scope.source.find_products(scope.workflow)
    if not products:
        raise LookupError(f"no product is attached to {scope.workflow}: register the workflow with the product's tag")
    choices = Choice.__call__("ProductChoice", {one.name: (str(one.product_id), one.name) for one in products})

    class ChooseProduct(FormPage):
        product: choices  # type: ignore[valid-type]  # an enum of the products that are there now

    answer: Any = yield ChooseProduct
    product_id = str(answer.product.value)
    return {"product": product_id, "product_name": find_product(scope, product_id=UUID(product_id)).name}


def _ask_subscription(state: dict[str, Any]) -> Generator[type[BaseModel], Any, dict[str, Any]]:
    scope = current_scope("the form of a workflow on a subscription")
    answer: Any = yield make_subscription_page(scope.workflow, scope.target)
    subscription = scope.read_subscription(answer.subscription_id)
    return {
        "subscription_id": str(subscription.subscription_id),
        "product": str(subscription.product.product_id),
        "customer_id": subscription.customer_id,
        "version": subscription.version,
    }


def make_subscription_page(workflow: str, target: Target) -> type[FormPage]:
    """Return the page that asks for a subscription. The page refuses a subscription on which `workflow` may not start
    now.
    """

    class ChooseSubscription(FormPage):
        subscription_id: UUID
        version: int | None = None

        @model_validator(mode="after")
        def check_gate(self) -> "ChooseSubscription":
            scope = current_scope("the form of a workflow on a subscription")
            if obstacles := check_start(scope, workflow, target, self.subscription_id, self.version):
                raise ValueError("; ".join(one.text for one in obstacles))
            return self

    return ChooseSubscription


def check_start(
    scope: StepScope, workflow: str, target: Target, subscription_id: UUID, version: int | None = None
) -> list[StartObstacle]:
    """Return all reasons why `workflow` may not start on the subscription as it is stored now."""
    subscription = scope.source.read_subscription(subscription_id)
    if subscription is None:
        return find_obstacles(GateQuestion(workflow=workflow, target=target, subscription=None))
    attached = {one.product_id for one in scope.source.find_products(workflow)}
    owners = (scope.source.read_subscription(owner) for owner in subscription.depends_on)
    question = GateQuestion(
        workflow=workflow,
        target=target,
        subscription=subscription,
        is_attached=subscription.product.product_id in attached,
        depends_on=[one for one in owners if one is not None],
        in_use_by=scope.source.find_subscriptions(SubscriptionFilter(depends_on=subscription_id)),
        version=version,
    )
    return find_obstacles(question)
