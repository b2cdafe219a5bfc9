"""Cluster locations."""

import pytest

from schemas.errors import Broken
from wms.fleet.locations import Cluster, ClusterMap, ServedBy, UnknownCluster

OSG = Cluster(schedd="submit.example.org", n_workers=5)


def test_an_alias_finds_its_location() -> None:
    clusters = ClusterMap({"osg": OSG, "sub-2": "osg"})
    assert clusters.find("sub-2") == clusters.find("osg") == OSG
    assert set(clusters) == {"osg", "sub-2"}
    assert clusters.default_n_workers == {"submit.example.org": 5}


def test_an_unknown_location_is_refused_in_the_contracts_words() -> None:
    with pytest.raises(UnknownCluster) as caught:
        ClusterMap({"osg": OSG}).find("mars")
    assert (caught.value.code, caught.value.reason) == (400, "condor cluster location not found: mars")
    assert caught.value.hint.startswith("cluster locations: osg;")


@pytest.mark.parametrize("target", ["mars", "b"])
def test_an_alias_of_nothing_or_of_an_alias_stops_the_start(target: str) -> None:
    with pytest.raises(Broken, match="alias"):
        ClusterMap({"osg": OSG, "a": target, "b": "osg"})


def test_a_schedd_is_served_one_way_only() -> None:
    with pytest.raises(Broken, match="choose one"):
        ClusterMap({"a": Cluster(schedd="s"), "b": Cluster(schedd="s", served_by=ServedBy.REST)})


def test_a_schedd_that_is_configured_no_more_still_hears_events() -> None:
    clusters = ClusterMap({"a": Cluster(schedd="s", served_by=ServedBy.REST)})
    assert (clusters.hears_events("s"), clusters.hears_events("gone")) == (False, True)
