"""All routes of the dialect "processes". A path with a fixed word comes before one with an id in its place."""

from dataclasses import dataclass

from runtime.web.event_streams import EventStreams
from runtime.web.route import Route
from wms.gateway.processes.callers import Callers
from wms.gateway.processes.feeds import FeedRoutes
from wms.gateway.processes.process_control import ProcessControlRoutes
from wms.gateway.processes.processes import ProcessRoutes
from wms.gateway.processes.settings import SettingsRoutes
from wms.gateway.processes.subscriptions import SubscriptionParts, SubscriptionRoutes
from wms.gateway.processes.workflows import StartableRoutes
from wms.processes.definition_reader import DefinitionReader
from wms.processes.outside_events import OutsideEvents
from wms.processes.process_control import ControlsProcesses
from wms.processes.process_feed import ProcessFeed
from wms.processes.process_reader import ProcessReader
from wms.tenancy.organizations import Organizations


@dataclass(frozen=True, slots=True)
class ProcessParts:
    """The parts of WMS that the routes of processes call."""

    reader: ProcessReader
    control: ControlsProcesses
    events: OutsideEvents
    definitions: DefinitionReader
    feed: ProcessFeed
    subscriptions: SubscriptionParts


def list_process_routes(parts: ProcessParts, organizations: Organizations, streams: EventStreams) -> list[Route]:
    """Return the routes of the dialect."""
    callers = Callers(organizations, parts.reader)
    return [
        *FeedRoutes(callers, parts.feed, streams).routes(),
        *ProcessRoutes(callers, parts.reader, parts.control).routes(),
        *ProcessControlRoutes(callers, parts.control, parts.events).routes(),
        *StartableRoutes(callers, parts.control, parts.definitions).routes(),
        *SubscriptionRoutes(callers, parts.reader, parts.subscriptions).routes(),
        *SettingsRoutes(callers, parts.control, parts.definitions).routes(),
    ]
