"""The route of cluster locations: where tasks can run, by the names that requests use."""

from starlette.responses import Response

from schemas.api.workflows import ClusterLocation, ClustersAnswer
from wms.fleet.locations import LocationMap
from wms.gateway.route import Call, Route, answer_json


class LocationRoutes:
    """The handler of /clusters."""

    def __init__(self, clusters: LocationMap) -> None:
        self._clusters = clusters

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("GET", "/clusters", self.list_locations, "List the cluster locations", answer=ClustersAnswer)]

    async def list_locations(self, _: Call) -> Response:
        found = [
            ClusterLocation(name=name, schedd=cluster.schedd, n_workers=cluster.n_workers)
            for name, cluster in ((name, self._clusters.find_location(name)) for name in self._clusters)
        ]
        return answer_json(ClustersAnswer(clusters=found))
