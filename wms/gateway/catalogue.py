"""Every route of the gateway, in the order of the OpenAPI document."""

from collections.abc import Iterable
from importlib.metadata import version

import httpx2
from starlette.requests import Request
from starlette.responses import Response

from runtime.bus.service_bus import Bus
from runtime.kernel.store import Store
from wms.fleet.fleet import Fleet
from wms.fleet.locations import ClusterMap
from wms.gateway import docs
from wms.gateway.route import AnyRoute, OpenRoute, answered
from wms.gateway.routes.endings import Endings
from wms.gateway.routes.failures import Failures
from wms.gateway.routes.locations import Locations
from wms.gateway.routes.queues import Queues
from wms.gateway.routes.reservations import Reservations
from wms.gateway.routes.taskforces import Taskforces
from wms.gateway.routes.tms import Tms
from wms.gateway.routes.tms_confirmations import Confirmations
from wms.gateway.routes.worker_logs import Logs
from wms.gateway.routes.workflows import Workflows


def routes(
    *, fleet: Fleet, store: Store, bus: Bus, http: httpx2.AsyncClient, clusters: ClusterMap, query_max_bytes: int
) -> Iterable[AnyRoute]:
    """Return all routes but those of health and of the document itself."""
    return [
        *Workflows(fleet, store, bus).routes(),
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
