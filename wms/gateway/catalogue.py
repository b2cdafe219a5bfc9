"""Every route of the gateway: first our own dialect, in the order of the OpenAPI document, then the other dialects."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import Response

from runtime.bus.questions import Asks
from runtime.bus.service_bus import Bus
from runtime.kernel.store import Store
from runtime.web.dialects import Served
from runtime.web.docs import swagger_page
from runtime.web.news.event_streams import EventStreams
from runtime.web.route import AnyRoute, OpenRoute, answer_json
from wms.audit.audit_log import AuditLog
from wms.catalogue.catalogue_parts import Catalogue
from wms.engine.nested.workflow_queues import WorkflowQueues
from wms.fleet.choices.fleet_settings import FleetSettings, Quota
from wms.fleet.choices.locations import LocationMap
from wms.fleet.fleet import Fleet
from wms.fleet.reading.object_reader import ObjectReader
from wms.fleet.stalls.verdict_renewal import VerdictRenewal
from wms.fleet.status_snapshots import SnapshotWriter
from wms.fleet.taskforce_control import TaskforceControl
from wms.fleet.work_offers import WorkOffers
from wms.flows.flow_service import FlowService
from wms.gateway.awx.dialect import AWX
from wms.gateway.awx.requests import AwxParts
from wms.gateway.awx.resources.root import list_version_routes
from wms.gateway.awx.routes import list_awx_routes
from wms.gateway.craton.dialect import CRATON
from wms.gateway.craton.routes import CratonParts, list_craton_routes
from wms.gateway.ewms.audit import AuditRoutes
from wms.gateway.ewms.event_traces import EventTraceRoutes
from wms.gateway.ewms.failures import FailureRoutes
from wms.gateway.ewms.locations import LocationRoutes
from wms.gateway.ewms.organizations import OrganizationRoutes
from wms.gateway.ewms.queues.event_routes import QueueEventRoutes
from wms.gateway.ewms.queues.history import QueueHistoryRoutes
from wms.gateway.ewms.queues.profiles import QueueRoutes
from wms.gateway.ewms.queues.reservations import ReservationRoutes
from wms.gateway.ewms.quotas import QuotaRoutes
from wms.gateway.ewms.secrets import SecretRoutes
from wms.gateway.ewms.services import ServiceRoutes
from wms.gateway.ewms.tms.confirmations import ConfirmationRoutes
from wms.gateway.ewms.tms.offers import TmsRoutes
from wms.gateway.ewms.workflows.endings import EndingRoutes
from wms.gateway.ewms.workflows.feeds import WorkflowFeedRoutes
from wms.gateway.ewms.workflows.requests import WorkflowRoutes
from wms.gateway.ewms.workflows.taskforces import TaskforceRoutes
from wms.gateway.ewms.workflows.views import WorkflowViewRoutes
from wms.gateway.ewms.workflows.worker_logs import WorkerLogRoutes
from wms.gateway.processes.dialect import PROCESSES
from wms.gateway.processes.routes import list_process_routes
from wms.gateway.tiuni.dialect import TIUNI
from wms.gateway.tiuni.flows import FlowRoutes
from wms.insight.event_tracer import EventTracer
from wms.insight.workflow_feed import WorkflowFeed
from wms.insight.workflow_reader import WorkflowReader
from wms.inventory.inventory_parts import Inventories
from wms.jobs.job_parts import Jobs
from wms.processes.process_parts import ProcessParts, SubscriptionParts
from wms.secrets.secret_store import SecretStore
from wms.shared_document import SharedDocument
from wms.tenancy.organizations import Organizations
from wms.trees.tree_parts import Trees


def list_routes(
    *,
    fleet: Fleet,
    settings: SharedDocument[FleetSettings],
    quota: Quota,
    taskforces: TaskforceControl,
    snapshots: SnapshotWriter,
    offers: WorkOffers,
    reader: ObjectReader,
    verdicts: VerdictRenewal,
    bus: Bus,
    http: httpx2.AsyncClient,
    locations: LocationMap,
    organizations: Organizations,
    secrets: SecretStore,
    feed: WorkflowFeed,
    streams: EventStreams,
    views: WorkflowReader,
    depths: Asks,
    queues: WorkflowQueues,
    store: Store,
    audit: AuditLog,
    query_max_bytes: int,
) -> Iterable[AnyRoute]:
    """Return all routes except those of health and of the OpenAPI document."""
    return [
        *WorkflowRoutes(fleet, reader, depths, organizations).routes(),
        *WorkflowViewRoutes(views).routes(),
        *WorkflowFeedRoutes(reader, feed, streams).routes(),
        *EndingRoutes(fleet, reader).routes(),
        *TaskforceRoutes(fleet, reader, query_max_bytes=query_max_bytes).routes(),
        *QueueRoutes(reader, bus, http).routes(),
        *QueueHistoryRoutes(reader, bus).routes(),
        *QueueEventRoutes(reader, queues, store).routes(),
        *FailureRoutes(reader, bus, verdicts, audit).routes(),
        *EventTraceRoutes(EventTracer(reader, bus)).routes(),
        *ReservationRoutes(bus).routes(),
        *TmsRoutes(offers).routes(),
        *ConfirmationRoutes(taskforces, snapshots).routes(),
        *WorkerLogRoutes(reader, bus).routes(),
        *LocationRoutes(locations, settings, store).routes(),
        *QuotaRoutes(settings, quota).routes(),
        *ServiceRoutes(locations, bus).routes(),
        *OrganizationRoutes(organizations).routes(),
        *SecretRoutes(organizations, secrets).routes(),
        *AuditRoutes(audit, organizations).routes(),
        OpenRoute("GET", "/version", _get_version, "Get the version"),
        *list_version_routes(),
        *swagger_page.list_page_routes(),
    ]


def list_other_dialects(
    *,
    organizations: Organizations,
    streams: EventStreams,
    flows: FlowService,
    processes: ProcessParts,
    trees: AwxParts,
    craton: CratonParts,
) -> list[Served]:
    """Return the dialects besides our own, with their routes."""
    return [
        (PROCESSES, list_process_routes(processes, organizations, streams)),
        (TIUNI, FlowRoutes(flows, organizations).routes()),
        (AWX, list_awx_routes(trees)),
        (CRATON, list_craton_routes(craton)),
    ]


def list_bare_dialects() -> list[Served]:
    """Return the dialects besides our own, with routes that only describe themselves: they call no part of WMS."""
    absent: Any = None
    subscriptions = SubscriptionParts(reader=absent, products=absent, gate=absent, rules=absent)
    parts = ProcessParts(
        reader=absent,
        starts=absent,
        service=absent,
        callbacks=absent,
        events=absent,
        switch=absent,
        definitions=absent,
        feed=absent,
        subscriptions=subscriptions,
        questions=absent,
        explainer=absent,
    )
    trees = AwxParts(
        trees=Trees(
            templates=absent,
            nodes=absent,
            node_labels=absent,
            runs=absent,
            turns=absent,
            orphans=absent,
            roles=absent,
            labels=absent,
            audit=absent,
        ),
        notifications=absent,
        jobs=absent,
        explainer=absent,
        numbers=absent,
        organizations=absent,
        users=absent,
        teams=absent,
        schedules=absent,
        watch=absent,
        streams=absent,
    )
    absent_tasks = Catalogue(service=absent, deletion=absent, reports=absent, builds=absent, keys=absent)
    craton = CratonParts(
        organizations=absent,
        streams=absent,
        inventories=Inventories(service=absent, hosts=absent),
        tasks=absent_tasks,
        jobs=Jobs(
            service=absent, lists=absent, reader=absent, logs=absent, store=absent, watch=absent, leftovers=absent
        ),
        watch=absent,
    )
    return list_other_dialects(
        organizations=absent, streams=absent, flows=absent, processes=parts, trees=trees, craton=craton
    )


async def _get_version(_: Request) -> Response:
    return answer_json({"service": "wms", "version": version("ewms")})
