"""All routes of the dialect "craton"."""

from dataclasses import dataclass

from runtime.web.event_streams import EventStreams
from runtime.web.route import Route
from wms.tenancy.organizations import Organizations


@dataclass(frozen=True, slots=True, kw_only=True)
class CratonParts:
    """The parts of WMS that the routes of this dialect call."""

    organizations: Organizations
    streams: EventStreams


def list_craton_routes(parts: CratonParts) -> list[Route]:
    """Return the routes of the dialect."""
    del parts
    return []
