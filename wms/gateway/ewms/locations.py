"""The routes of cluster locations: where tasks can run, and where operators have stopped new workers."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from starlette.responses import Response

from runtime.clock import stored_now
from runtime.kernel.store import Store
from runtime.web.route import Call, Route, answer_json
from schemas.api.operators import DrainRequest, DrainSeen, DrainStatus
from schemas.api.workflows.requests import ClusterLocation, ClustersAnswer
from schemas.errors import NotFound, Rejected
from wms.fleet.choices.fleet_settings import Drain, FleetSettings, drain_location, undrain_location
from wms.fleet.choices.locations import LocationMap, UnknownLocation
from wms.fleet.reading.place_counts import count_taskforces
from wms.gateway.roles import READERS, Role
from wms.shared_document import SharedDocument

#: An operator who plans further ahead than this has mistyped the year.
_LONGEST = timedelta(days=366)

_NAMED = {"location": {"type": "string", "pattern": r"^[\w.-]{1,256}$"}}

_OPERATORS = frozenset({Role.OPS})
_OVERSEERS = _OPERATORS | {Role.AUDITOR}


class LocationRoutes:
    """Handlers of /clusters."""

    def __init__(self, locations: LocationMap, settings: SharedDocument[FleetSettings], store: Store) -> None:
        self._locations = locations
        self._settings = settings
        self._store = store

    def routes(self) -> list[Route]:
        """Return the routes."""
        drain = "/clusters/{location}/drain"
        return [
            Route(
                "GET",
                "/clusters",
                self.list_locations,
                "List the cluster locations",
                roles=READERS,
                answer=ClustersAnswer,
            ),
            Route(
                "GET",
                drain,
                self.get_drain,
                "See whether a location is drained, and how many taskforces are there",
                roles=_OVERSEERS,
                answer=DrainStatus,
                parameters=_NAMED,
            ),
            Route(
                "PUT",
                drain,
                self.set_drain,
                "Drain a location, or say that it is lost: no taskforces start there until the drain is deleted",
                roles=_OPERATORS,
                body=DrainRequest,
                body_optional=True,
                answer=DrainStatus,
                errors=(413,),
                parameters=_NAMED,
            ),
            Route(
                "DELETE",
                drain,
                self.delete_drain,
                "Let taskforces start at a location again",
                roles=_OPERATORS,
                answer=DrainStatus,
                parameters=_NAMED,
            ),
        ]

    async def list_locations(self, _: Call) -> Response:
        settings = self._settings.value
        found = [
            ClusterLocation(
                name=name,
                schedd=location.schedd,
                n_workers=location.n_workers,
                alias_of=target,
                drain=_show_drain(settings.find_drain(location.schedd)),
            )
            for name, target in self._locations.alias_targets.items()
            for location in (self._locations.find_location(name),)
        ]
        return answer_json(ClustersAnswer(clusters=found))

    async def get_drain(self, call: Call) -> Response:
        settings = await self._settings.read()
        name, schedd = self._find_place(call, settings)
        return await self._answer_status(name, schedd, settings)

    async def set_drain(self, call: Call) -> Response:
        body: DrainRequest = call.body
        name, schedd = self._find_place(call, self._settings.value)
        now = stored_now()
        drain = Drain(
            schedd=schedd,
            location=name,
            who=call.caller.subject,
            at=now,
            reason=body.reason,
            workers_end_at=_check_end(body.workers_end_at, now),
            is_lost=body.is_lost,
        )
        settings = await self._settings.change(call.caller.subject, partial(drain_location, drain=drain))
        return await self._answer_status(name, schedd, settings)

    async def delete_drain(self, call: Call) -> Response:
        name, schedd = self._find_place(call, await self._settings.read())
        settings = await self._settings.change(call.caller.subject, partial(undrain_location, schedd=schedd))
        return await self._answer_status(name, schedd, settings)

    def _find_place(self, call: Call, settings: FleetSettings) -> tuple[str, str]:
        """Return the name and the schedd of the location in the path. It may be one that only its drain remembers.

        Raises:
            NotFound: there is no such location.
        """
        name = call.read_path("location")
        try:
            return self._locations.alias_targets.get(name) or name, self._locations.find_location(name).schedd
        except UnknownLocation as error:
            left = _find_left(name, settings.drains)
            if left is None:
                raise NotFound(error.reason, hint=error.hint) from error
            return name, left.schedd

    async def _answer_status(self, name: str, schedd: str, settings: FleetSettings) -> Response:
        drain = settings.find_drain(schedd)
        counts = await count_taskforces(self._store, schedd)
        status = DrainStatus(
            location=name,
            schedd=schedd,
            drain=_show_drain(drain),
            who="" if drain is None else drain.who,
            n_waiting=counts.n_waiting,
            n_starting=counts.n_starting,
            n_running=counts.n_running,
        )
        return answer_json(status)


def _find_left(name: str, drains: Iterable[Drain]) -> Drain | None:
    """Return the drain of a location that the settings of WMS no longer name."""
    return next((drain for drain in drains if drain.location == name), None)


def _check_end(wanted: datetime | None, now: datetime) -> datetime | None:
    """Return when the workers end, in whole milliseconds. A time in the past means now.

    Raises:
        Rejected: the time is more than a year away.
    """
    if wanted is None or wanted <= now:
        return now if wanted is not None else None
    if wanted - now > _LONGEST:
        raise Rejected(f"'workers_end_at': must be at most {_LONGEST.days} days from now")
    return wanted.replace(microsecond=wanted.microsecond // 1000 * 1000)


def _show_drain(drain: Drain | None) -> DrainSeen | None:
    if drain is None:
        return None
    return DrainSeen(since=drain.at, reason=drain.reason, workers_end_at=drain.workers_end_at, is_lost=drain.is_lost)
