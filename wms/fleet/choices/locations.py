"""Find the schedd for a location's name, as users write it. (core)

    {"osg": {"schedd": "grid-submitter.example.org", "served_by": "events", "n_workers": 1},
     "sub-2": "osg"}

A string is an alias: another name of a location. The map is a setting: a moved access point needs no release.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import islice
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from schemas.errors import Broken, Rejected
from wms.fleet.choices.tms_port import EVENTS, REST, TmsPort


class ServedBy(StrEnum):
    """How the TMS of a schedd gets its work. A schedd uses one of the two ways, never both."""

    EVENTS = "events"
    REST = "rest"


class Location(BaseModel):
    """A place where taskforces can run: a schedd, and how its TMS gets work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedd: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    served_by: ServedBy = ServedBy.EVENTS
    #: How many workers a taskforce gets if its `n_workers` is null.
    n_workers: Annotated[int, Field(ge=1)] = 1

    @property
    def port(self) -> TmsPort:
        """Return the TMS port of this location: how WMS and its TMS work together."""
        return _PORTS[self.served_by]


_PORTS: Mapping[ServedBy, TmsPort] = {ServedBy.EVENTS: EVENTS, ServedBy.REST: REST}


#: The error about an unknown location names at most so many known ones.
_MOST_NAMED = 20


class UnknownLocation(Rejected):
    """There is no location with this name."""

    def __init__(self, location: str, *, known: Iterable[str] = ()) -> None:
        names = ", ".join(islice(known, _MOST_NAMED))
        hint = f"cluster locations: {names}; all of them: ewms cluster list, GET /v1/clusters" if names else ""
        super().__init__(f"condor cluster location not found: {location}", hint=hint)
        self.location = location


class LocationMap:
    """The known locations, with aliases resolved."""

    def __init__(self, locations: Mapping[str, Location | str]) -> None:
        self._locations: dict[str, Location] = {}
        #: Each name, and the location that it is an alias of; "" for the name of a location itself.
        self.alias_targets: dict[str, str] = {
            name: target if isinstance(target, str) else "" for name, target in locations.items()
        }
        for name, target in locations.items():
            one = locations.get(target) if isinstance(target, str) else target
            if not isinstance(one, Location):
                raise Broken(f"cluster location {name!r} is an alias of {target!r}, which is no location")
            self._locations[name] = one
        self._ports: dict[str, TmsPort] = {}
        for one in self._locations.values():
            if self._ports.setdefault(one.schedd, one.port) != one.port:
                raise Broken(f"schedd {one.schedd!r} is served by events and by REST; choose one")

    def find_location(self, location: str) -> Location:
        """Return the location with the name or alias `location`.

        Raises:
            UnknownLocation: there is no such location.
        """
        if location not in self._locations:
            raise UnknownLocation(location, known=(name for name, target in self.alias_targets.items() if not target))
        return self._locations[location]

    def __iter__(self) -> Iterator[str]:
        return iter(self._locations)

    @property
    def default_n_workers(self) -> Mapping[str, int]:
        """Return schedd -> how many workers `n_workers` null means there: the smallest default of the schedd's
        locations.

        Only taskforces of an earlier version need this. Later taskforces store the default of their own location.
        """
        defaults: dict[str, int] = {}
        for one in self._locations.values():
            defaults[one.schedd] = min(one.n_workers, defaults.get(one.schedd, one.n_workers))
        return defaults

    @property
    def schedds(self) -> frozenset[str]:
        """Return the names of all schedds."""
        return frozenset(self._ports)

    @property
    def places(self) -> Mapping[str, str]:
        """Return schedd -> the name by which metrics know it: of several locations the first in the alphabet, never an
        alias.
        """
        names = sorted((name for name, target in self.alias_targets.items() if not target), reverse=True)
        return {self._locations[name].schedd: name for name in names}

    @property
    def polling_schedds(self) -> frozenset[str]:
        """Return the names of the schedds whose TMS polls for its work."""
        return frozenset(schedd for schedd, port in self._ports.items() if not port.takes_orders)

    def find_port(self, schedd: str) -> TmsPort:
        """Return the TMS port of `schedd`.

        If no location names the schedd any more, return the port `EVENTS`, because the schedd may still have clusters.
        """
        return self._ports.get(schedd, EVENTS)
