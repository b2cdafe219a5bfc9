from orchestrator.domain import SUBSCRIPTION_MODEL_REGISTRY

from leased_ports.products.port import Port, PortSpeed

SUBSCRIPTION_MODEL_REGISTRY.update({"Leased Port 10G": Port})

__all__ = ["Port", "PortSpeed"]
