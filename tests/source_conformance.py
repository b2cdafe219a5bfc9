"""What every source of subscriptions does, whether it is a test's memory or WMS behind the bus.

`SourceWorld` is the source, and how the test puts subscriptions and products behind it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from ewms.steps.step_scope import SubscriptionSource
from schemas.engine.subscriptions import (
    ProductDocument,
    SubscriptionDocument,
    SubscriptionFilter,
    SubscriptionLifecycle,
)

NODE = ProductDocument(product_id=UUID(int=901), name="Node Enrollment", tag="Node", product_type="Node")
PORT = ProductDocument(product_id=UUID(int=902), name="My Node Enrollment", tag="Node", product_type="Port")
OTHER = ProductDocument(product_id=UUID(int=903), name="Node Enrollment 2", tag="Other", product_type="Port")
PRODUCTS = (NODE, PORT, OTHER)
#: A workflow with the tag `Node` and the search phrase `Node Enrollment%`.
WORKFLOW = "modify_node"


@dataclass
class SourceWorld:
    """A source, and what is behind it. `PRODUCTS` and `WORKFLOW` are registered there."""

    source: SubscriptionSource
    #: Stores subscriptions as the commit of a step does. It raises an error whose text has the versions.
    commit: Callable[[Iterable[SubscriptionDocument]], None]


def make_subscription(number: int, product: ProductDocument = NODE, **fields: Any) -> SubscriptionDocument:
    """Return a new subscription."""
    return SubscriptionDocument(subscription_id=UUID(int=number), product=product, customer_id="c", **fields)


def make_block(number: int, owner: int, **fields: Any) -> dict[str, Any]:
    """Return a stored block."""
    head = {"product_block_name": "B", "subscription_instance_id": str(UUID(int=number))}
    return {**head, "owner_subscription_id": str(UUID(int=owner)), **fields}


def check_reading(world: SourceWorld) -> None:
    """What was committed is read back, one version further; what is not there is None."""
    assert world.source.read_subscription(UUID(int=1)) is None
    values = {"speed": 1000, "port": make_block(11, 1, vlan=12, tags=["a"], off=False), "none": None}
    world.commit([make_subscription(1, values=values, note="n", description="d")])

    read = world.source.read_subscription(UUID(int=1))
    assert read == make_subscription(1, values=values, note="n", description="d", version=1)
    world.commit([read.model_copy(update={"insync": True})])
    again = world.source.read_subscription(UUID(int=1))
    assert again is not None
    assert (again.version, again.insync) == (2, True)


def check_stale_commits(world: SourceWorld) -> None:
    """A commit with another version than the stored one stores nothing at all."""
    world.commit([make_subscription(1)])
    for stale in (make_subscription(1), make_subscription(1, version=2), make_subscription(3, version=1)):
        # Each world has an error of its own.
        with pytest.raises(Exception, match=str(stale.subscription_id)):
            world.commit([make_subscription(2), stale])
    assert world.source.read_subscription(UUID(int=2)) is None


def check_searches(world: SourceWorld) -> None:
    """Each field of a filter narrows what is found, and all of them hold together."""
    reference = make_block(11, 1) | {"is_reference": True}
    active = SubscriptionLifecycle.ACTIVE
    world.commit([make_subscription(1, status=active, values={"port": make_block(11, 1, vlan=12), "name": "a"})])
    world.commit([make_subscription(2, PORT, values={"uses": reference, "vlan": 12}, depends_on=(UUID(int=1),))])
    world.commit([make_subscription(3, OTHER, values={"list": [make_block(31, 3, vlan=13)], "name": "x" * 2000})])

    def find(**wanted: Any) -> set[int]:
        found = world.source.find_subscriptions(SubscriptionFilter(**wanted))
        assert len({one.subscription_id for one in found}) == len(found)
        return {one.subscription_id.int for one in found}

    assert find() == {1, 2, 3}
    assert find(product_type="Port") == {2, 3}
    assert find(product_type="Port", tag="Node") == {2}
    assert find(product_name="Node Enrollment") == {1}
    assert find(statuses=(active,)) == {1}
    assert find(statuses=(active, SubscriptionLifecycle.INITIAL), tag="Other") == {3}
    assert find(field="vlan", value=12) == {1, 2}
    assert find(field="vlan", value=13) == {3}
    assert find(field="vlan", value="12") == set()
    assert find(field="name", value="x" * 2000) == {3}
    assert find(owns_block=UUID(int=11)) == {1}
    assert find(owns_block=UUID(int=31)) == {3}
    assert find(depends_on=UUID(int=1)) == {2}
    assert find(depends_on=UUID(int=2)) == set()


def check_products(world: SourceWorld) -> None:
    """All products by name, and those to which a workflow attaches by tag and search phrase."""
    assert [one.name for one in world.source.find_products()] == sorted(one.name for one in PRODUCTS)
    assert list(world.source.find_products(WORKFLOW)) == [NODE]
    assert list(world.source.find_products("no_such")) == []


CHECKS = (check_reading, check_stale_commits, check_searches, check_products)
