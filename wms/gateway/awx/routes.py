"""All routes of the dialect "awx"."""

from runtime.web.route import Route
from schemas.automation.trees import TemplateKind
from wms.gateway.awx.named_urls import take_names
from wms.gateway.awx.options import list_option_routes
from wms.gateway.awx.people.role_routes import RoleRoutes
from wms.gateway.awx.people.user_routes import UserRoutes
from wms.gateway.awx.requests import AwxParts, Requests
from wms.gateway.awx.resources.activity import ActivityRoutes
from wms.gateway.awx.resources.explanations import ExplanationRoutes
from wms.gateway.awx.resources.jobs import JobRoutes
from wms.gateway.awx.resources.labels import LabelRoutes
from wms.gateway.awx.resources.nodes import NodeRoutes
from wms.gateway.awx.resources.notifications import NotificationRoutes
from wms.gateway.awx.resources.organizations import AwxOrganizationRoutes
from wms.gateway.awx.resources.root import RootRoutes
from wms.gateway.awx.resources.schedules import ScheduleRoutes
from wms.gateway.awx.resources.templates import TemplateRoutes
from wms.gateway.awx.resources.tree_feed import TreeFeedRoutes


def list_awx_routes(parts: AwxParts) -> list[Route]:
    """Return the routes of the dialect."""
    requests = Requests(parts)
    jobs = JobRoutes(parts, requests)
    routes = [
        *RootRoutes(parts, requests).routes(),
        *AwxOrganizationRoutes(parts, requests).routes(),
        *(route for kind in TemplateKind for route in TemplateRoutes(parts, requests, kind).routes()),
        *NodeRoutes(parts, requests).routes(),
        *jobs.routes(),
        *TreeFeedRoutes(parts, requests, jobs).routes(),
        *ExplanationRoutes(parts, requests).routes(),
        *ActivityRoutes(parts, requests).routes(),
        *LabelRoutes(parts, requests).routes(),
        *RoleRoutes(parts, requests).routes(),
        *UserRoutes(parts, requests).routes(),
        *NotificationRoutes(parts, requests).routes(),
        *ScheduleRoutes(parts, requests).routes(),
    ]
    return [take_names(route, requests) for route in (*routes, *list_option_routes(routes, requests))]
