"""All routes of the dialect "processes". A path with a fixed word comes before one with an id in its place."""

from runtime.web.news.event_streams import EventStreams
from runtime.web.route import Route
from wms.gateway.processes.callers import Callers
from wms.gateway.processes.feeds import FeedRoutes
from wms.gateway.processes.process_control import ProcessControlRoutes
from wms.gateway.processes.processes import ProcessRoutes
from wms.gateway.processes.settings import SettingsRoutes
from wms.gateway.processes.subscriptions import SubscriptionRoutes
from wms.gateway.processes.workflows import StartableRoutes
from wms.processes.process_parts import ProcessParts
from wms.tenancy.organizations import Organizations


def list_process_routes(parts: ProcessParts, organizations: Organizations, streams: EventStreams) -> list[Route]:
    """Return the routes of the dialect."""
    callers = Callers(organizations, parts.reader)
    return [
        *FeedRoutes(callers, parts.feed, streams).routes(),
        *ProcessRoutes(callers, parts.reader, parts.service, parts.explainer).routes(),
        *ProcessControlRoutes(callers, parts).routes(),
        *StartableRoutes(callers, parts.starts, parts.definitions).routes(),
        *SubscriptionRoutes(callers, parts.reader, parts.subscriptions).routes(),
        *SettingsRoutes(callers, parts.switch, parts.definitions).routes(),
    ]
