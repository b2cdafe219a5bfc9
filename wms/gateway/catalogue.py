"""Every route of the gateway, in the order in which the OpenAPI document tells them."""

from collections.abc import Iterable
from importlib.metadata import version

import httpx2
from starlette.requests import Request
from starlette.responses import Response

from runtime.bus import Bus
from runtime.store import Store
from wms.fleet.clusters import ClusterMap
from wms.fleet.fleet import Fleet
from wms.gateway import docs
from wms.gateway.calls import AnyRoute, OpenRoute, answered
from wms.gateway.confirmations import Confirmations
from wms.gateway.endings import Endings
from wms.gateway.failures import Failures
from wms.gateway.locations import Locations
from wms.gateway.queues import Queues
from wms.gateway.reservations import Reservations
from wms.gateway.taskforces import Taskforces
from wms.gateway.tms import Tms
from wms.gateway.workerlogs import Logs
from wms.gateway.workflows import Workflows


def routes(
    *, fleet: Fleet, store: Store, bus: Bus, http: httpx2.AsyncClient, clusters: ClusterMap, query_max_bytes: int
) -> Iterable[AnyRoute]:
    """Return all routes but those of health and of the document itself."""
    return [
        *Workflows(fleet, store).routes(),
        *Endings(fleet, store).routes(),
        *Taskforces(fleet, store, query_max_bytes=query_max_bytes).routes(),
        *Queues(store, bus, http).routes(),
        *Failures(store, bus).routes(),
        *Reservations(bus).routes(),
        *Tms(fleet, store, bus, clusters).routes(),
        *Confirmations(fleet, store, clusters).routes(),
        *Logs(store, bus).routes(),
        *Locations(clusters).routes(),
        OpenRoute("GET", "/version", _version, "Get the version"),
        *docs.routes(),
    ]


async def _version(_: Request) -> Response:
    return answered({"service": "wms", "version": version("ewms")})
