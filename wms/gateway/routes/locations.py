"""The route of cluster locations: where tasks can run, by the names that requests use."""

from starlette.responses import Response

from schemas.api.workflows import ClusterLocation, ClustersAnswer
from wms.fleet.locations import LocationMap
from wms.gateway.route import Call, Route, answer_json


class LocationRoutes:
    """The handler of /clusters."""

    def __init__(self, locations: LocationMap) -> None:
        self._locations = locations

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("GET", "/clusters", self.list_locations, "List the cluster locations", answer=ClustersAnswer)]

    async def list_locations(self, _: Call) -> Response:
        found = [
            ClusterLocation(name=name, schedd=location.schedd, n_workers=location.n_workers)
            for name, location in ((name, self._locations.find_location(name)) for name in self._locations)
        ]
        return answer_json(ClustersAnswer(clusters=found))
