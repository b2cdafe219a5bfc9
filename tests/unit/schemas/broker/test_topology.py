import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.constants import DOMAIN_REGEX

from schemas.broker import topology
from schemas.ids import Mqid, WorkflowId


@given(st.text(min_size=1, max_size=60))
def test_a_schedds_name_is_one_word_of_a_routing_key(schedd: str) -> None:
    word = topology.encode_schedd(schedd)
    assert not set(word) & set(".#*")
    assert word.isascii()
    # What the client library lets into a name: `%` is not among it.
    assert DOMAIN_REGEX["queue-name"].fullmatch(word)


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_schedds_never_share_an_inbox(a: str, b: str) -> None:
    assert (topology.tms_service(a) == topology.tms_service(b)) == (a == b)


def test_a_token_for_one_queue_names_its_exchange_and_never_the_queue_it_writes_to() -> None:
    mqid = Mqid("a72475165e05b4f83a948")
    assert topology.oauth_scope("read", mqid) == "ewms.read:ewms/a72475165e05b4f83a948"
    assert topology.oauth_scope("write", topology.event_exchange(mqid)) == "ewms.write:ewms/x.a72475165e05b4f83a948"
    assert topology.event_exchange(mqid) != mqid


def test_the_policy_governs_event_queues_and_not_dead_letter_queues() -> None:
    pattern = re.compile(topology.POLICY_PATTERN)
    assert pattern.match("a72475165e05b4f83a948")
    assert not pattern.match(topology.dead_queue(WorkflowId("WF-6b00e09f-926a610b")))
    assert not pattern.match("a72475165e05b4f83a9480")


@pytest.mark.parametrize("service", ["wms", "mqs", topology.tms_service("submit-1.example.org")])
def test_every_service_may_seal_its_own_queues_and_no_others(service: str) -> None:
    may_configure = re.compile(topology.control_rights(service).configure)
    assert may_configure.search(topology.seal_queue(service, "0a1b"))
    assert not may_configure.search(topology.seal_queue("another", "0a1b"))


def test_the_step_workers_of_a_pool_own_the_pools_queue_and_send_to_wms_alone() -> None:
    mine, other = topology.pool_service("net.core"), topology.pool_service("net")
    assert (mine, other) == ("steps.net+2Ecore", "steps.net")
    rights = topology.control_rights(mine)
    for what in (rights.configure, rights.read):
        assert re.search(what, mine)
        assert not re.search(what, other)
        assert not re.search(what, f"{mine}s")
    assert re.search(rights.topic_write, "wms.node.ended")
    assert not re.search(rights.topic_write, f"{other}.node.run")
