"""The route of cluster locations: where tasks can run, by the names that requests use."""

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from schemas.api.workflows.requests import ClusterLocation, ClustersAnswer
from wms.fleet.choices.locations import LocationMap
from wms.gateway.roles import READERS


class LocationRoutes:
    """The handler of /clusters."""

    def __init__(self, locations: LocationMap) -> None:
        self._locations = locations

    def routes(self) -> list[Route]:
        """Return the route."""
        return [
            Route(
                "GET",
                "/clusters",
                self.list_locations,
                "List the cluster locations",
                roles=READERS,
                answer=ClustersAnswer,
            )
        ]

    async def list_locations(self, _: Call) -> Response:
        found = [
            ClusterLocation(name=name, schedd=location.schedd, n_workers=location.n_workers, alias_of=target)
            for name, target in self._locations.alias_targets.items()
            for location in (self._locations.find_location(name),)
        ]
        return answer_json(ClustersAnswer(clusters=found))
