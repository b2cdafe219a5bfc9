"""Each broker user may do what its process does, and nothing of another's."""

import base64
import hashlib
import re
from typing import Any

import pytest

from deploy.local.servers.broker_definitions import (
    ADMIN,
    BrokerUser,
    broker_definitions,
    service_names,
    vhost_definitions,
)
from schemas.broker import topology

SCHEDDS = ("a.example.org", "b.example.org")
TMS_A, TMS_B = map(topology.tms_service, SCHEDDS)
NAMES = [ADMIN, *service_names(SCHEDDS)]


def _pair() -> dict[str, Any]:
    return vhost_definitions(NAMES, control_vhost="control", data_vhost="data")


def _may(user: str, vhost: str, what: str, resource: str) -> bool:
    """Say what the broker says: some permission of the user's on the vhost matches the resource."""
    return any(
        re.search(permission[what], resource) is not None
        for permission in _pair()["permissions"]
        if (permission["user"], permission["vhost"]) == (user, vhost)
    )


def _topic(user: str, what: str, routing_key: str, exchange: str = topology.CONTROL_EXCHANGE) -> bool:
    permissions = _pair()["topic_permissions"]
    (rights,) = [one for one in permissions if (one["user"], one["exchange"]) == (user, exchange)]
    return re.search(rights[what], routing_key) is not None


def test_there_is_a_user_for_each_process_and_one_more_for_each_further_schedd() -> None:
    assert service_names(SCHEDDS) == ["wms", "mqs", TMS_A, TMS_B]


@pytest.mark.parametrize("user", ["wms", "mqs", TMS_A])
def test_a_service_owns_its_inbox_and_what_belongs_to_it(user: str) -> None:
    queues = (topology.inbox_queue(user), topology.dead_inbox(user), topology.parked_inbox(user))
    for name in (*queues, topology.aside_exchange(user)):
        assert all(_may(user, "control", what, name) for what in ("configure", "write", "read")), name


@pytest.mark.parametrize(("user", "other"), [(TMS_A, TMS_B), (TMS_A, "wms"), ("mqs", "wms"), ("wms", TMS_A)])
def test_no_service_touches_another_ones_inbox(user: str, other: str) -> None:
    assert not any(_may(user, "control", what, topology.inbox_queue(other)) for what in ("configure", "write", "read"))
    assert not _topic(user, "read", topology.inbox_pattern(other)), "it could have the other's events copied to itself"


@pytest.mark.parametrize("user", NAMES)
def test_only_mqs_and_the_launcher_may_enter_the_data_vhost(user: str) -> None:
    may = any(_may(user, "data", what, "x.a72475165e05b4f83a948") for what in ("configure", "write", "read"))
    assert may == (user in ("mqs", ADMIN))


@pytest.mark.parametrize(("user", "may"), [("mqs", True), ("wms", False), (TMS_A, False)])
def test_only_mqs_which_answers_requests_may_write_to_any_queue_by_the_default_exchange(user: str, may: bool) -> None:
    assert _may(user, "control", "write", "amq.default") == may


def test_a_tms_speaks_to_wms_alone_and_declares_no_shared_exchange() -> None:
    assert _topic(TMS_A, "write", "wms.taskforce.submitted")
    assert not _topic(TMS_A, "write", f"{TMS_B}.taskforce.start")
    assert not _topic(TMS_A, "write", f"{TMS_A}.taskforce.start")
    assert not _topic(TMS_A, "write", "mqs.workflow.requested")
    assert not _may(TMS_A, "control", "configure", topology.CONTROL_EXCHANGE)
    assert _topic("wms", "write", f"{TMS_B}.taskforce.start")


def test_a_binding_right_is_of_the_whole_pattern() -> None:
    assert _topic(TMS_A, "read", topology.inbox_pattern(TMS_A))
    for wider in ("#", "tms.#", f"{TMS_A}.#.x", f"x.{TMS_A}.#"):
        assert not _topic(TMS_A, "read", wider)


@pytest.mark.parametrize(
    ("fact", "owner"),
    [("fact.workflow.over", "wms"), ("fact.taskforce.completed", "wms"), ("fact.queues.activated", "mqs")],
)
def test_a_fact_is_its_owners_to_state_and_anybodys_to_bind(fact: str, owner: str) -> None:
    services = service_names(SCHEDDS)
    may_state = [user for user in services if _topic(user, "write", fact, topology.FACTS_EXCHANGE)]
    assert may_state == [owner]
    assert all(_topic(user, "read", fact, topology.FACTS_EXCHANGE) for user in services)
    assert all(_may(user, "control", "read", topology.FACTS_EXCHANGE) for user in services)


@pytest.mark.parametrize("user", service_names(SCHEDDS))
def test_nobody_states_what_is_no_fact(user: str) -> None:
    for key in ("fact.unheard.of", "workflow.over", "fact.workflow.over.x", "x.fact.workflow.over"):
        assert not _topic(user, "write", key, topology.FACTS_EXCHANGE)


def test_all_shared_exchanges_stand_before_any_process_comes() -> None:
    exchanges = {one["name"]: (one["vhost"], one["type"], one["durable"]) for one in _pair()["exchanges"]}
    assert exchanges == {
        topology.CONTROL_EXCHANGE: ("control", "topic", True),
        topology.FACTS_EXCHANGE: ("control", "topic", True),
        topology.REQUESTS_EXCHANGE: ("control", "direct", True),
    }


def test_a_password_is_kept_as_the_broker_checks_it_and_nowhere_in_plain() -> None:
    users = [BrokerUser(name, f"password-of-{name}", b"salt") for name in NAMES]
    whole = broker_definitions(users, control_vhost="control", data_vhost="data")
    for user, entry in zip(users, whole["users"], strict=True):
        # Source: RabbitMQ documentation, "Credentials and Passwords": computing a password hash.
        kept = base64.b64decode(entry["password_hash"])
        assert kept[:4] == b"salt"
        assert kept[4:] == hashlib.sha256(b"salt" + user.password.encode()).digest()
        assert entry["hashing_algorithm"] == "rabbit_password_hashing_sha256"
    assert "password-of-" not in str(whole)
    assert whole["permissions"] == _pair()["permissions"], "a test's vhosts have the rights of a launch's"


def test_administering_the_broker_is_the_launchers_alone() -> None:
    tags = {name: BrokerUser(name, "", b"salt").tags for name in NAMES}
    assert tags[ADMIN] == ["administrator"]
    assert "administrator" not in tags["mqs"]
    assert tags["wms"] == tags[TMS_A] == []
