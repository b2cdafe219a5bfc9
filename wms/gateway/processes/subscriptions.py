"""The routes of subscriptions and products."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, RootModel
from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from schemas.api.workflows.explanation import ObjectExplanation
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument
from schemas.errors import NotFound
from wms.gateway.processes.callers import Callers
from wms.gateway.processes.processes import ProcessList, answer_page
from wms.insight.runs.start_explanation import explain_gates
from wms.processes.process_parts import SubscriptionParts
from wms.processes.process_reader import ProcessReader
from wms.processes.subscriptions.start_gate import AttachedWorkflow
from wms.processes.subscriptions.subscription_filters import parse_subscription_page
from wms.tenancy.rights import Action, roles_for

_PAIRS = "pairs of a field and a value, separated by commas"
_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "range": {"type": "string", "description": "first,last from 0", "examples": ["0,24"]},
    "sort": {"type": "string", "description": f"{_PAIRS}, asc or desc"},
    "filter": {"type": "string", "description": f"{_PAIRS}; values.vlan,12 finds a value of any block"},
}
#: The names by which clients of orchestrator-core find the subscriptions of an obstacle.
_RELATED = {
    "relations_not_in_sync": "locked_relations",
    "no_modify_subscription_in_use_by_others": "unterminated_in_use_by_subscriptions",
}


class SubscriptionList(RootModel[list[SubscriptionDocument]]):
    """A page of subscriptions. `Content-Range` says how many there are in all."""


class ExpandedSubscription(BaseModel):
    """A subscription in its domain model's form: its fields and blocks stand beside these."""

    model_config = ConfigDict(extra="allow")

    subscription_id: UUID
    product: ProductDocument
    status: str
    insync: bool
    depends_on: list[UUID]
    in_use_by: list[UUID]


class UsableWorkflow(BaseModel):
    """A workflow on a subscription. Without a `reason` it may start now."""

    model_config = ConfigDict(extra="allow")

    name: str
    description: str


class SubscriptionWorkflows(RootModel[dict[str, list[UsableWorkflow]]]):
    """The workflows on a subscription by target, in lower case."""


class ProductList(RootModel[list[ProductDocument]]):
    """All products, by name."""


class SubscriptionRoutes:
    """Handlers of /subscriptions and /products."""

    def __init__(self, callers: Callers, processes: ProcessReader, parts: SubscriptionParts) -> None:
        self._callers = callers
        self._processes = processes
        self._reader = parts.reader
        self._products = parts.products
        self._gate = parts.gate
        self._rules = parts.rules

    def routes(self) -> list[Route]:
        """Return the routes. What has a word of its own comes before `{subscription_id}`."""
        sees, listed = roles_for(Action.SEE_SUBSCRIPTION), "/subscriptions"
        of_one = f"{listed}/{{subscription_id}}"
        products = roles_for(Action.SEE_PRODUCT)
        return [
            Route(
                "GET",
                listed,
                self.list_subscriptions,
                "List subscriptions",
                roles=sees,
                answer=SubscriptionList,
                query=dict.fromkeys(_PARAMETERS, False),
                parameters=_PARAMETERS,
            ),
            Route(
                "GET",
                f"{listed}/domain-model/{{subscription_id}}",
                self.get_model,
                "Get a subscription with the values of all its blocks",
                roles=sees,
                answer=ExpandedSubscription,
                errors=(404, 422),
            ),
            Route(
                "GET",
                f"{listed}/workflows/{{subscription_id}}",
                self.list_workflows,
                "List the workflows on a subscription, and why one may not start",
                roles=sees,
                answer=SubscriptionWorkflows,
            ),
            Route(
                "GET",
                f"{of_one}/explain",
                self.get_explanation,
                "Get why workflows may not start on a subscription: causes and remedies",
                roles=sees,
                answer=ObjectExplanation,
                errors=(404,),
            ),
            Route(
                "PUT",
                f"{of_one}/set_in_sync",
                self.set_in_sync,
                "Set a subscription in sync after a process that failed",
                roles=roles_for(Action.CHANGE_SUBSCRIPTION),
                answer=SubscriptionDocument,
                errors=(404, 422),
            ),
            Route(
                "GET",
                f"{of_one}/processes",
                self.list_history,
                "List the processes that have worked on a subscription",
                roles=sees,
                answer=ProcessList,
            ),
            Route("GET", of_one, self.get_one, "Get a subscription", roles=sees, answer=SubscriptionDocument),
            Route("GET", "/products", self.list_products, "List products", roles=products, answer=ProductList),
            Route(
                "GET",
                "/products/{product_id}",
                self.get_product,
                "Get a product",
                roles=products,
                answer=ProductDocument,
            ),
        ]

    async def list_subscriptions(self, call: Call) -> Response:
        wish = parse_subscription_page(
            filters=call.read_query("filter"), sort=call.read_query("sort"), page=call.read_query("range")
        )
        visible = await self._callers.find_visible_customers(call, Action.SEE_SUBSCRIPTION)
        page = await self._reader.list_page(wish, visible)
        return answer_page("subscriptions", page.subscriptions, wish.start, page.n_all)

    async def get_one(self, call: Call) -> Response:
        return answer_json(await self._find_one(call))

    async def get_model(self, call: Call) -> Response:
        subscription_id = call.read_uuid("subscription_id")
        visible = await self._callers.find_visible_customers(call, Action.SEE_SUBSCRIPTION)
        return answer_json(await self._reader.describe_subscription(subscription_id, visible))

    async def list_workflows(self, call: Call) -> Response:
        return answer_json(group_workflows(await self._list_attached(await self._find_one(call))))

    async def get_explanation(self, call: Call) -> Response:
        subscription = await self._find_one(call)
        attached = await self._list_attached(subscription)
        return answer_json(explain_gates(subscription, {each.definition.name: each.obstacles for each in attached}))

    async def set_in_sync(self, call: Call) -> Response:
        subscription = await self._find_one(call)
        principal, organization = await self._callers.check_customer(
            call, Action.CHANGE_SUBSCRIPTION, subscription.customer_id
        )
        changed = await self._reader.set_in_sync(
            subscription.subscription_id, {}, who=principal.subject, organization=organization
        )
        return answer_json(changed)

    async def list_history(self, call: Call) -> Response:
        subscription = await self._find_one(call)
        principal = await self._callers.find_principal(call)
        found = await self._processes.list_of_subscription(str(subscription.subscription_id), principal)
        return answer_json(found)

    async def list_products(self, _: Call) -> Response:
        return answer_json(await self._products.list_products())

    async def get_product(self, call: Call) -> Response:
        product_id = call.read_uuid("product_id")
        product = await self._products.get_product(product_id)
        if product is None:
            raise NotFound(f"no product found with id: {product_id}")
        return answer_json(product)

    async def _list_attached(self, subscription: SubscriptionDocument) -> list[AttachedWorkflow]:
        product = await self._products.get_product(subscription.product.product_id) or subscription.product
        settings = await self._rules.read_settings(await self._products.list_workflows(product))
        return await self._gate.list_workflows(subscription, settings)

    async def _find_one(self, call: Call) -> SubscriptionDocument:
        subscription_id = call.read_uuid("subscription_id")
        visible = await self._callers.find_visible_customers(call, Action.SEE_SUBSCRIPTION)
        return await self._reader.get_subscription(subscription_id, visible)


def group_workflows(attached: list[AttachedWorkflow]) -> dict[str, list[dict[str, Any]]]:
    """Return the workflows on a subscription by target, each with the first reason why it may not start."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for workflow in attached:
        shown: dict[str, Any] = {"name": workflow.definition.name, "description": workflow.definition.description}
        if workflow.obstacles:
            obstacle = workflow.obstacles[0].as_dict()
            related = obstacle.pop("subscription_ids", None)
            shown |= obstacle
            if related:
                shown[_RELATED.get(workflow.obstacles[0].reason, "subscription_ids")] = related
        grouped.setdefault(str(workflow.target).lower(), []).append(shown)
    return grouped
