"""A service is one spec: its rights, its broker user and its account follow from it."""

import re

import pytest

from deploy.local.servers.broker_definitions import BrokerUser, service_names, vhost_definitions
from deploy.local.servers.mongo_accounts import new_accounts
from schemas.broker import topology
from schemas.broker.services import SERVICES, AnswersBy, Service, ServiceSpec, is_of_service, spec_of
from schemas.errors import Broken

MADE_UP = ServiceSpec(
    name="trees",
    is_single_active=True,
    may_address=frozenset({"wms", "mqs"}),
    management_tags=("monitoring",),
    database="TREES_DB",
)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> ServiceSpec:
    """A service that one spec adds."""
    monkeypatch.setitem(SERVICES, MADE_UP.name, MADE_UP)
    return MADE_UP


def test_every_service_of_ours_has_its_spec() -> None:
    assert set(SERVICES) == set(Service)
    assert all(spec.name == name for name, spec in SERVICES.items())


def test_an_instance_of_a_service_has_the_spec_of_its_service() -> None:
    assert spec_of(topology.tms_service("a.example.org")) is SERVICES["tms"]
    with pytest.raises(Broken, match="no service has the name 'trees'"):
        spec_of("trees")


@pytest.mark.parametrize(
    ("user", "service", "is_it"),
    [
        ("wms", "wms", True),
        ("wms.other", "wms", False),
        ("tms.a", "tms", True),
        ("tms", "tms", False),
        ("tmsx.a", "tms", False),
        ("", "wms", False),
        ("trees", "trees", False),
    ],
)
def test_a_user_is_of_the_service_whose_name_it_has(user: str, service: str, is_it: bool) -> None:
    assert is_of_service(user, service) == is_it


@pytest.mark.usefixtures("made_up")
def test_a_new_service_gets_a_broker_user_with_its_tags_and_an_account() -> None:
    assert service_names(["a"]) == ["wms", "mqs", "tms.a", "trees"]
    assert BrokerUser("trees", "", b"salt").tags == ["monitoring"]
    assert new_accounts()["trees"].database == "TREES_DB"


@pytest.mark.usefixtures("made_up")
def test_a_new_service_may_send_to_whom_its_spec_names_and_owns_its_own_names() -> None:
    pair = vhost_definitions(service_names(["a"]), control_vhost="control", data_vhost="data")
    (mine,) = [rights for rights in pair["permissions"] if rights["user"] == "trees"]
    assert mine["vhost"] == "control", "events lie on the data vhost, where it has no business"
    for queue in (topology.inbox_queue("trees"), topology.parked_inbox("trees"), topology.answers_queue("trees", "x")):
        assert all(re.search(mine[what], queue) for what in ("configure", "write", "read"))
    assert not re.search(mine["configure"], topology.CONTROL_EXCHANGE)
    assert not re.search(mine["write"], topology.DEFAULT_EXCHANGE)
    topics = {rights["exchange"]: rights for rights in pair["topic_permissions"] if rights["user"] == "trees"}
    orders, facts = topics[topology.CONTROL_EXCHANGE], topics[topology.FACTS_EXCHANGE]
    assert re.search(orders["write"], "wms.tree.grown")
    assert re.search(orders["write"], "mqs.workflow.requested")
    assert not re.search(orders["write"], "tms.a.taskforce.start")
    assert re.search(facts["read"], "fact.workflow.over")
    assert not re.search(facts["write"], "fact.workflow.over")


def test_who_answers_directly_may_write_on_the_default_exchange_and_who_declares_may_configure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = ServiceSpec(name="trees", answers_by=AnswersBy.DIRECT_REPLY, declares_shared=True)
    monkeypatch.setitem(SERVICES, "trees", spec)
    rights = topology.control_rights("trees")
    assert re.search(rights.write, topology.DEFAULT_EXCHANGE)
    assert re.search(rights.configure, topology.CONTROL_EXCHANGE)
    assert not re.search(rights.topic_write, "wms.tree.grown"), "it may send to nobody"
