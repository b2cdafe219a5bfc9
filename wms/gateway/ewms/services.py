"""The route of services: which version of EWMS each runs. The gateway asks them over the bus."""

import asyncio
from importlib.metadata import version

from starlette.responses import Response

from runtime.bus.questions import Asks
from runtime.web.route import Call, Route, answer_json
from schemas.api.services import ServicesAnswer, ServiceSeen
from schemas.broker.services import Service
from schemas.broker.topology import tms_service
from schemas.errors import EWMSError
from schemas.questions.bases import VersionAnswer, VersionQuery
from wms.fleet.choices.locations import LocationMap
from wms.gateway.roles import READERS
from wms.tenancy.rights import Action, roles_for

#: A service that works answers in milliseconds.
_PATIENCE_S = 3.0


class ServiceRoutes:
    """The handler of /services."""

    def __init__(self, locations: LocationMap, bus: Asks) -> None:
        self._locations = locations
        self._bus = bus

    def routes(self) -> list[Route]:
        """Return the route."""
        return [
            Route(
                "GET",
                "/services",
                self.list_services,
                "List the services with their versions",
                roles=READERS | roles_for(Action.SEE_SETTINGS),
                answer=ServicesAnswer,
                is_heavy=True,
            )
        ]

    async def list_services(self, _: Call) -> Response:
        own = ServiceSeen(service=Service.WMS, schedd=None, version=version("ewms"), problem="")
        asked = await asyncio.gather(
            self._ask_version(Service.MQS, None, to=Service.MQS),
            *(self._ask_tms(schedd) for schedd in sorted(self._locations.schedds)),
        )
        return answer_json(ServicesAnswer(services=[own, *asked]))

    async def _ask_tms(self, schedd: str) -> ServiceSeen:
        if not self._locations.find_port(schedd).takes_orders:
            problem = "it polls over REST and takes no questions"
            return ServiceSeen(service=Service.TMS, schedd=schedd, version=None, problem=problem)
        return await self._ask_version(Service.TMS, schedd, to=tms_service(schedd))

    async def _ask_version(self, service: Service, schedd: str | None, *, to: str) -> ServiceSeen:
        try:
            match await self._bus.ask(VersionQuery(), to=to, timeout_s=_PATIENCE_S):
                case VersionAnswer(version=told):
                    return ServiceSeen(service=service, schedd=schedd, version=told, problem="")
                case other:
                    problem = f"it answered {other.kind}"
        except EWMSError as error:
            problem = error.reason
        return ServiceSeen(service=service, schedd=schedd, version=None, problem=problem)
