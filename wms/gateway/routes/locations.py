"""The route of cluster locations: where tasks can run, by the names that requests use."""

from starlette.responses import Response

from schemas.api import ClusterLocation, ClustersAnswer
from wms.fleet.locations import ClusterMap
from wms.gateway.route import Call, Route, answered


class Locations:
    """The handler of /clusters."""

    def __init__(self, clusters: ClusterMap) -> None:
        self._clusters = clusters

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("GET", "/clusters", self.listing, "List the cluster locations", answer=ClustersAnswer)]

    async def listing(self, _: Call) -> Response:
        found = [
            ClusterLocation(name=name, schedd=cluster.schedd, n_workers=cluster.n_workers)
            for name, cluster in ((name, self._clusters.find(name)) for name in self._clusters)
        ]
        return answered(ClustersAnswer(clusters=found))
