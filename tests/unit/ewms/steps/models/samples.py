"""Models for the tests: nodes, ports with a reference to a node, and links of ports."""

from enum import IntEnum
from ipaddress import IPv4Address
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import Field

from ewms.steps import (
    SI,
    ProductBlockModel,
    SubscriptionInstanceList,
    SubscriptionLifecycle,
    SubscriptionModel,
    change_lifecycle,
    serializable_property,
)
from ewms.steps.step_scope import StepScope
from ewms.steps.testing import Rehearsal

INITIAL, PROVISIONING, ACTIVE, TERMINATED = (
    SubscriptionLifecycle.INITIAL,
    SubscriptionLifecycle.PROVISIONING,
    SubscriptionLifecycle.ACTIVE,
    SubscriptionLifecycle.TERMINATED,
)


class Speed(IntEnum):
    GIG = 1000
    TEN_GIG = 10000


class NodeBlockInactive(ProductBlockModel, product_block_name="Node"):
    node_name: str | None = None
    address: IPv4Address | None = None


class NodeBlock(NodeBlockInactive, lifecycle=[PROVISIONING, ACTIVE]):
    node_name: str

    @serializable_property
    def label(self) -> str:
        return f"node {self.node_name}"


class NodeInactive(SubscriptionModel, is_base=True):
    node: NodeBlockInactive


class Node(NodeInactive, lifecycle=[PROVISIONING, ACTIVE]):
    node: NodeBlock


class PortBlockInactive(ProductBlockModel, product_block_name="Port"):
    vlan: int | None = None
    node: NodeBlockInactive | None = None


class PortBlock(PortBlockInactive, lifecycle=[ACTIVE]):
    vlan: int
    node: NodeBlock


class PortPair(SubscriptionInstanceList[SI]):
    min_items = 2
    max_items = 2


ListOfPorts = Annotated[list[SI], Field(min_length=1, max_length=3)]


class LinkInactive(SubscriptionModel, is_base=True):
    speed: Speed
    ends: PortPair[PortBlockInactive]
    extra: ListOfPorts[PortBlockInactive]
    backup: PortBlockInactive | None = None
    tags: list[str] = Field(default_factory=list)


class Link(LinkInactive, lifecycle=[ACTIVE]):
    ends: PortPair[PortBlock]
    extra: ListOfPorts[PortBlock]


def add_node(rehearsal: Rehearsal, products: dict[str, UUID], name: str, insync: bool = True) -> SubscriptionModel:
    with rehearsal.open_scope():
        node = NodeInactive.from_product_id(products["node"], uuid4(), insync=insync)
        node.node.node_name = name
        node.node.address = IPv4Address("10.0.0.1")
        active = change_lifecycle(node, ACTIVE)
        rehearsal.add_subscription(active)
        return Node.from_document(
            rehearsal.read_subscription(node.subscription_id),
            StepScope(source=rehearsal.subscriptions, idempotency_key="k", now=rehearsal.now),
        )


def add_link(rehearsal: Rehearsal, products: dict[str, UUID], node: Any, vlan: int = 7) -> LinkInactive:
    with rehearsal.open_scope():
        link = LinkInactive.from_product_id(products["link"], uuid4())
        for port in (*link.ends, *link.extra):
            port.vlan = vlan
            port.node = node.node
        rehearsal.add_subscription(link)
    return link
