"""All routes of the dialect "craton"."""

from dataclasses import dataclass

from runtime.web.news.event_streams import EventStreams
from runtime.web.route import Route
from wms.catalogue.catalogue_parts import Catalogue
from wms.engine.run_watch import RunWatch
from wms.gateway.craton.hosts import HostRoutes
from wms.gateway.craton.inventories import InventoryRoutes
from wms.gateway.craton.inventory_calls import InventoryCalls
from wms.gateway.craton.inventory_groups import InventoryGroupRoutes
from wms.gateway.craton.job_hosts import JobHostRoutes
from wms.gateway.craton.jobs import HostJobRoutes
from wms.gateway.craton.task_actions import TaskActionRoutes
from wms.gateway.craton.task_builds import TaskBuildRoutes
from wms.gateway.craton.task_calls import TaskCalls
from wms.gateway.craton.task_lists import TaskListRoutes
from wms.gateway.craton.task_webhooks import TaskWebhookRoutes
from wms.gateway.craton.tasks import TaskRoutes
from wms.inventory.inventory_parts import Inventories
from wms.jobs.job_parts import Jobs
from wms.tenancy.organizations import Organizations


@dataclass(frozen=True, slots=True, kw_only=True)
class CratonParts:
    """The parts of WMS that the routes of this dialect call."""

    organizations: Organizations
    streams: EventStreams
    inventories: Inventories
    tasks: Catalogue
    jobs: Jobs
    watch: RunWatch


def list_craton_routes(parts: CratonParts) -> list[Route]:
    """Return the routes of the dialect."""
    inventories = InventoryCalls(parts.organizations, parts.inventories)
    calls = TaskCalls(parts.organizations, parts.tasks.service)
    return [
        *InventoryRoutes(inventories).routes(),
        *InventoryGroupRoutes(inventories).routes(),
        *HostRoutes(inventories).routes(),
        *TaskRoutes(calls, parts.tasks).routes(),
        *TaskActionRoutes(calls, parts.tasks.service).routes(),
        *HostJobRoutes(parts.organizations, parts.jobs, parts.watch, parts.streams).routes(),
        *JobHostRoutes(parts.organizations, parts.jobs).routes(),
        *TaskListRoutes(parts.organizations, parts.jobs.lists).routes(),
        *TaskBuildRoutes(calls, parts.tasks.reports, parts.streams).routes(),
        *TaskWebhookRoutes(calls, parts.tasks.service, parts.tasks.keys).routes(),
    ]
