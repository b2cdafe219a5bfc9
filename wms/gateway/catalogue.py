"""Every route of the gateway, in the order of the OpenAPI document."""

from collections.abc import Iterable
from importlib.metadata import version

import httpx2
from starlette.requests import Request
from starlette.responses import Response

from runtime.bus.service_bus import Bus
from wms.fleet.fleet import Fleet
from wms.fleet.locations import LocationMap
from wms.fleet.object_reader import ObjectReader
from wms.fleet.status_snapshots import SnapshotWriter
from wms.fleet.taskforce_control import TaskforceControl
from wms.fleet.work_offers import WorkOffers
from wms.gateway import docs
from wms.gateway.route import AnyRoute, OpenRoute, answer_json
from wms.gateway.routes.endings import EndingRoutes
from wms.gateway.routes.failures import FailureRoutes
from wms.gateway.routes.locations import LocationRoutes
from wms.gateway.routes.queues import QueueRoutes
from wms.gateway.routes.reservations import ReservationRoutes
from wms.gateway.routes.taskforces import TaskforceRoutes
from wms.gateway.routes.tms import TmsRoutes
from wms.gateway.routes.tms_confirmations import ConfirmationRoutes
from wms.gateway.routes.worker_logs import WorkerLogRoutes
from wms.gateway.routes.workflows import WorkflowRoutes


def list_routes(
    *,
    fleet: Fleet,
    taskforces: TaskforceControl,
    snapshots: SnapshotWriter,
    offers: WorkOffers,
    reader: ObjectReader,
    bus: Bus,
    http: httpx2.AsyncClient,
    locations: LocationMap,
    query_max_bytes: int,
) -> Iterable[AnyRoute]:
    """Return all routes except those of health and of the OpenAPI document."""
    return [
        *WorkflowRoutes(fleet, reader, bus).routes(),
        *EndingRoutes(fleet, reader).routes(),
        *TaskforceRoutes(fleet, reader, query_max_bytes=query_max_bytes).routes(),
        *QueueRoutes(reader, bus, http).routes(),
        *FailureRoutes(reader, bus).routes(),
        *ReservationRoutes(bus).routes(),
        *TmsRoutes(offers).routes(),
        *ConfirmationRoutes(taskforces, snapshots).routes(),
        *WorkerLogRoutes(reader, bus).routes(),
        *LocationRoutes(locations).routes(),
        OpenRoute("GET", "/version", _get_version, "Get the version"),
        *docs.list_page_routes(),
    ]


async def _get_version(_: Request) -> Response:
    return answer_json({"service": "wms", "version": version("ewms")})
