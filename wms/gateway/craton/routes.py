"""All routes of the dialect "craton"."""

from dataclasses import dataclass

from runtime.web.event_streams import EventStreams
from runtime.web.route import Route
from wms.gateway.craton.hosts import HostRoutes
from wms.gateway.craton.inventories import InventoryRoutes
from wms.gateway.craton.inventory_calls import InventoryCalls
from wms.gateway.craton.inventory_groups import InventoryGroupRoutes
from wms.inventory.inventory_parts import Inventories
from wms.tenancy.organizations import Organizations


@dataclass(frozen=True, slots=True, kw_only=True)
class CratonParts:
    """The parts of WMS that the routes of this dialect call."""

    organizations: Organizations
    streams: EventStreams
    inventories: Inventories


def list_craton_routes(parts: CratonParts) -> list[Route]:
    """Return the routes of the dialect."""
    inventories = InventoryCalls(parts.organizations, parts.inventories)
    return [
        *InventoryRoutes(inventories).routes(),
        *InventoryGroupRoutes(inventories).routes(),
        *HostRoutes(inventories).routes(),
    ]
