from typing import Annotated

from annotated_types import Len
from orchestrator.domain.base import ProductBlockModel, SubscriptionModel, serializable_property
from orchestrator.types import SI, SubscriptionLifecycle, strEnum

VlanRow = Annotated[list[SI], Len(min_length=1, max_length=4)]


class PortSpeed(strEnum):
    G10 = "10000"
    G100 = "100000"


class VlanBlockInactive(ProductBlockModel, product_block_name="Vlan"):
    vlan: int | None = None


class VlanBlockProvisioning(VlanBlockInactive, lifecycle=[SubscriptionLifecycle.PROVISIONING]):
    vlan: int


class VlanBlock(VlanBlockProvisioning, lifecycle=[SubscriptionLifecycle.ACTIVE]):
    vlan: int


class PortBlockInactive(ProductBlockModel, product_block_name="Port"):
    node_name: str | None = None
    port_name: str | None = None
    vlans: VlanRow[VlanBlockInactive]


class PortBlockProvisioning(PortBlockInactive, lifecycle=[SubscriptionLifecycle.PROVISIONING]):
    node_name: str
    port_name: str
    vlans: VlanRow[VlanBlockProvisioning]

    @serializable_property
    def title(self) -> str:
        return f"{self.node_name} {self.port_name}"


class PortBlock(PortBlockProvisioning, lifecycle=[SubscriptionLifecycle.ACTIVE]):
    vlans: VlanRow[VlanBlock]


class PortInactive(SubscriptionModel, is_base=True):
    speed: PortSpeed
    port: PortBlockInactive


class PortProvisioning(PortInactive, lifecycle=[SubscriptionLifecycle.PROVISIONING]):
    speed: PortSpeed
    port: PortBlockProvisioning


class Port(PortProvisioning, lifecycle=[SubscriptionLifecycle.ACTIVE]):
    speed: PortSpeed
    port: PortBlock
