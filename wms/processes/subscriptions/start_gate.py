"""Decide whether a workflow may start on a subscription now, from the stored data.

The rule is in `schemas.engine.start_gates`. This module reads the relations in both directions each time, also for a
subscription that is out of sync.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from schemas.engine.graph import Definition
from schemas.engine.processes import Target
from schemas.engine.start_gates import GateQuestion, GateSettings, StartObstacle, find_start_obstacles
from schemas.engine.subscriptions import SubscriptionDocument, SubscriptionFilter
from wms.processes.subscriptions.products import Products, is_attached
from wms.processes.subscriptions.subscription_store import Subscriptions

#: Without a step worker's settings, the defaults hold.
_DEFAULTS = GateSettings()


@dataclass(frozen=True, slots=True)
class AttachedWorkflow:
    """A workflow that is attached to a subscription's product, and all reasons why it may not start on it now."""

    definition: Definition
    target: Target
    obstacles: tuple[StartObstacle, ...]

    @property
    def is_usable(self) -> bool:
        """Return whether the workflow may start now."""
        return not self.obstacles


class StartGate:
    """Finds the reasons why workflows may not start on subscriptions."""

    def __init__(self, subscriptions: Subscriptions, products: Products) -> None:
        self._subscriptions = subscriptions
        self._products = products

    async def find_obstacles(
        self,
        definition: Definition,
        subscription_id: UUID,
        settings: GateSettings,
        *,
        version: int | None = None,
        is_authorized: bool = True,
    ) -> list[StartObstacle]:
        """Return all reasons why `definition` may not start on the subscription, in the order of the checks.

        `settings` come from the definition's step workers. `version` is the subscription's version that the caller has
        seen.
        """
        subscription = await self._subscriptions.read_subscription(subscription_id)
        around = _Around() if subscription is None else await self._read_around(subscription)
        return _find_obstacles(definition, subscription, around, settings, version=version, is_authorized=is_authorized)

    async def list_workflows(
        self,
        subscription: SubscriptionDocument,
        settings: Mapping[str, GateSettings],
        *,
        is_authorized: Callable[[Definition], bool] = lambda _: True,
    ) -> list[AttachedWorkflow]:
        """Return the workflows for the subscription, in the order of their names, each with the reasons why it may not
        start.

        `settings` are by pool. Workflows that create a subscription are left out.
        """
        product = await self._products.get_product(subscription.product.product_id) or subscription.product
        around = await self._read_around(subscription)
        found: list[AttachedWorkflow] = []
        for definition in await self._products.list_workflows(product):
            target = find_target(definition)
            if target is None or target is Target.CREATE:
                continue
            obstacles = _find_obstacles(
                definition,
                subscription,
                around,
                settings.get(definition.pool, _DEFAULTS),
                is_authorized=is_authorized(definition),
            )
            found.append(AttachedWorkflow(definition, target, tuple(obstacles)))
        return found

    async def _read_around(self, subscription: SubscriptionDocument) -> "_Around":
        owners = [await self._subscriptions.read_subscription(owner) for owner in subscription.depends_on]
        wanted = SubscriptionFilter(depends_on=subscription.subscription_id)
        return _Around(
            depends_on=tuple(one for one in owners if one is not None),
            in_use_by=tuple(await self._subscriptions.find_subscriptions(wanted)),
        )


@dataclass(frozen=True, slots=True)
class _Around:
    """The subscriptions that are related to a subscription."""

    depends_on: tuple[SubscriptionDocument, ...] = ()
    in_use_by: tuple[SubscriptionDocument, ...] = ()


def _find_obstacles(
    definition: Definition,
    subscription: SubscriptionDocument | None,
    around: _Around,
    settings: GateSettings,
    *,
    version: int | None = None,
    is_authorized: bool = True,
) -> list[StartObstacle]:
    question = GateQuestion(
        workflow=definition.name,
        # A target that this version does not know gets no exemption.
        target=find_target(definition) or Target.MODIFY,
        subscription=subscription,
        is_attached=subscription is None or is_attached(definition, subscription.product),
        depends_on=around.depends_on,
        in_use_by=around.in_use_by,
        is_authorized=is_authorized,
        version=version,
    )
    return find_start_obstacles(question, settings)


def find_target(definition: Definition) -> Target | None:
    """Return the target of `definition`. Return None if this version does not know the target."""
    try:
        return Target(definition.target)
    except ValueError:
        return None
