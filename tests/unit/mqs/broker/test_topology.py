"""The shape of a workflow on the broker, as data."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqs.broker.orphans import is_ours
from mqs.broker.topology import (
    VHOST_CHAIN,
    Binding,
    Deletion,
    Exchange,
    QueueDeclaration,
    QueueLimits,
    dead_letter_binding,
    dead_letter_chain,
    declaration_stages,
    full_policy_document,
    group_deletion,
    is_for_results,
    policy_documents,
    queue_chain,
)
from schemas import ids
from schemas.broker.topology import POLICY_PATTERN
from schemas.ids import WorkflowId

WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")
MQID = ids.mqid(7)
LIMITS = QueueLimits(
    max_events=1000,
    max_bytes=10**6,
    consumer_timeout=timedelta(hours=24),
    retry_step=timedelta(seconds=1),
    retry_max=timedelta(minutes=1),
)


def test_a_queue_is_reached_by_its_own_exchange_only() -> None:
    assert queue_chain(MQID) == (
        Exchange(f"x.{MQID}", "direct"),
        # What existing message clients declare, to the letter.
        QueueDeclaration(MQID, {"x-queue-type": "quorum"}),
        Binding(f"x.{MQID}", MQID, MQID),
    )


def test_what_dies_finds_its_workflow_by_the_brokers_own_header() -> None:
    assert dead_letter_binding(WORKFLOW, MQID) == Binding(
        "dead", f"dead.{WORKFLOW}", "", {"x-match": "all-with-x", "x-first-death-queue": MQID}
    )


def test_nothing_is_bound_before_a_stage_that_has_declared_both_ends() -> None:
    declared = {name for link in VHOST_CHAIN if not isinstance(link, Binding) for name in [link.name]}
    for chains in declaration_stages(WORKFLOW, [ids.mqid(1), ids.mqid(2)]):
        before = set(declared)
        for chain in chains:
            own: set[str] = set()
            for link in chain:
                match link:
                    case Binding():
                        assert {link.exchange, link.queue} <= before | own
                    case Exchange() | QueueDeclaration():
                        own.add(link.name)
            declared |= own
    assert declared == {"dead", "mqs.attempts", f"dead.{WORKFLOW}", f"x.dead.{WORKFLOW}"} | {
        name for n in (1, 2) for name in (ids.mqid(n), f"x.{ids.mqid(n)}")
    }


def test_dead_letters_have_a_queue_that_never_drops_them() -> None:
    exchange, queue, binding, reports = dead_letter_chain(WORKFLOW)
    assert exchange == Exchange(f"x.dead.{WORKFLOW}")
    assert queue == QueueDeclaration(f"dead.{WORKFLOW}", {"x-queue-type": "quorum", "x-delivery-limit": -1})
    assert binding == Binding(f"x.dead.{WORKFLOW}", f"dead.{WORKFLOW}", WORKFLOW)
    assert reports == Binding(f"x.dead.{WORKFLOW}", "mqs.attempts", "attempts")


def test_the_queue_of_reports_belongs_to_no_workflow_and_no_sweep_takes_it() -> None:
    queue = VHOST_CHAIN[-1]
    assert isinstance(queue, QueueDeclaration)
    assert not is_ours(queue.name)
    assert not re.match(POLICY_PATTERN, queue.name)


def test_what_is_deleted_of_private_queues_leaves_the_dead_letters_alone() -> None:
    assert group_deletion(WORKFLOW, [MQID], with_dead_letters=False) == Deletion((MQID,), (f"x.{MQID}",))
    assert group_deletion(WORKFLOW, [], with_dead_letters=True) == Deletion(
        (f"dead.{WORKFLOW}",), (f"x.dead.{WORKFLOW}",)
    )


def test_the_policy_word_by_word() -> None:
    assert policy_documents(LIMITS, delayed_retry=True)["ewms-events"] == {
        "pattern": r"^a[0-9a-f]{20}$",
        "apply-to": "quorum_queues",
        "priority": 0,
        "definition": {
            "dead-letter-exchange": "dead",
            "dead-letter-strategy": "at-least-once",
            "overflow": "reject-publish",
            "delivery-limit": 15,
            "consumer-timeout": 86_400_000,
            "max-length": 1000,
            "max-length-bytes": 1_000_000,
            "delayed-retry-type": "failed",
            "delayed-retry-min": 1000,
            "delayed-retry-max": 60_000,
        },
    }


def test_an_older_broker_gets_no_key_that_it_would_refuse() -> None:
    old = policy_documents(LIMITS, delayed_retry=False)["ewms-events"]["definition"]
    assert not any(key.startswith("delayed-retry") for key in old)
    assert old["delivery-limit"] == 15


def test_results_have_a_policy_without_a_limit_of_deliveries_that_goes_before_the_other() -> None:
    documents = policy_documents(LIMITS, delayed_retry=True)
    events, results = documents["ewms-events"], documents["ewms-results"]
    assert results["priority"] > events["priority"]
    assert results["definition"]["delivery-limit"] == -1
    same = {key: value for key, value in events["definition"].items() if not key.startswith(("del", "delayed-retry"))}
    assert {key: value for key, value in results["definition"].items() if key != "delivery-limit"} == same


@pytest.mark.parametrize("for_results", [True, False])
def test_a_full_queue_keeps_the_limit_of_deliveries_that_it_had(*, for_results: bool) -> None:
    full = full_policy_document(LIMITS, "^x$", delayed_retry=True, for_results=for_results)
    documents = policy_documents(LIMITS, delayed_retry=True)
    before = documents["ewms-results" if for_results else "ewms-events"]
    assert full["definition"] == before["definition"] | {"max-length-bytes": 1}
    assert full["priority"] > max(document["priority"] for document in documents.values())


@given(st.integers(0, 2**80 - 1))
def test_a_queues_id_says_whether_it_is_for_results(entropy: int) -> None:
    assert is_for_results(ids.mqid(entropy, for_results=True))
    assert not is_for_results(ids.mqid(entropy))
    for for_results in (True, False):
        assert re.match(POLICY_PATTERN, ids.mqid(entropy, for_results=for_results))
