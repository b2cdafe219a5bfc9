"""Cluster locations."""

import pytest

from schemas.errors import Broken
from wms.fleet.choices.locations import Location, LocationMap, ServedBy, UnknownLocation
from wms.fleet.choices.tms_port import EVENTS, REST

OSG = Location(schedd="submit.example.org", n_workers=5)


def test_an_alias_finds_its_location() -> None:
    clusters = LocationMap({"osg": OSG, "sub-2": "osg"})
    assert clusters.find_location("sub-2") == clusters.find_location("osg") == OSG
    assert set(clusters) == {"osg", "sub-2"}
    assert clusters.default_n_workers == {"submit.example.org": 5}


def test_an_unknown_location_is_refused_in_the_contracts_words() -> None:
    with pytest.raises(UnknownLocation) as caught:
        LocationMap({"sub-2": "osg", "osg": OSG}).find_location("mars")
    assert (caught.value.code, caught.value.reason) == (400, "condor cluster location not found: mars")
    assert caught.value.hint.startswith("cluster locations: osg;")


@pytest.mark.parametrize("target", ["mars", "b"])
def test_an_alias_of_nothing_or_of_an_alias_stops_the_start(target: str) -> None:
    with pytest.raises(Broken, match="alias"):
        LocationMap({"osg": OSG, "a": target, "b": "osg"})


def test_a_schedd_is_served_one_way_only() -> None:
    with pytest.raises(Broken, match="choose one"):
        LocationMap({"a": Location(schedd="s"), "b": Location(schedd="s", served_by=ServedBy.REST)})


def test_a_schedd_that_is_configured_no_more_still_hears_events() -> None:
    clusters = LocationMap({"a": Location(schedd="s", served_by=ServedBy.REST)})
    assert (clusters.find_port("s"), clusters.find_port("gone")) == (REST, EVENTS)


def test_metrics_know_a_schedd_by_one_location_and_never_by_an_alias() -> None:
    locations = LocationMap({"a": "osg", "osg": OSG, "west": OSG, "far": Location(schedd="s")})
    assert locations.places == {OSG.schedd: "osg", "s": "far"}
