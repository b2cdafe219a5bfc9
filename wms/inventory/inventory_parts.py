"""Build the parts of inventories, once."""

from dataclasses import dataclass

from runtime.kernel.store import Store
from wms.inventory.stored.host_service import HostService
from wms.inventory.stored.inventory_service import InventoryService
from wms.inventory.stored.inventory_store import InventoryStore
from wms.tenancy.organizations import Organizations


@dataclass(frozen=True, slots=True)
class Inventories:
    """Inventories and their hosts."""

    service: InventoryService
    hosts: HostService


def build_inventories(store: Store, organizations: Organizations) -> Inventories:
    """Return the parts."""
    inventories = InventoryStore(store)
    service = InventoryService(inventories, organizations)
    return Inventories(service, HostService(inventories, service))
