"""Describe a workflow's exchanges, queues and bindings, and the policies of the vhost, as data. (core)

    x.<mqid> (direct) ──<mqid>──► <mqid> (quorum) ··dead letters··► dead (headers) ──x-first-death-queue──┐
    x.dead.<workflow> (direct) ──<workflow>──────────────────────────────────────────► dead.<workflow> ◄──┘
                               ──attempts──────────────────────────────────────────► mqs.attempts (of all workflows)

On a publish the broker checks nothing but the exchange. So each queue has an exchange of its own, and a token can be
good for one queue. The names are those of `schemas.topology`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from schemas.failures.attempts import ATTEMPTS_KEY, ATTEMPTS_QUEUE
from schemas.ids import Mqid, WorkflowId
from schemas.topology import (
    DEAD_BINDING_HEADER,
    DEAD_EXCHANGE,
    DELIVERY_LIMIT,
    POLICY_NAME,
    POLICY_PATTERN,
    RESULTS_POLICY_NAME,
    RESULTS_POLICY_PATTERN,
    dead_exchange,
    dead_queue,
    event_exchange,
)

#: A queue of events has exactly these arguments. Existing message clients declare it again with exactly these, and the
#: broker refuses them if others are in force. The policy sets everything else.
EVENT_QUEUE_ARGUMENTS: Mapping[str, Any] = {"x-queue-type": "quorum"}

#: The policy does not apply to dead letters. Without a limit of its own, the broker would drop a dead letter that was
#: read and put back twenty times. Source: RabbitMQ 4.0 release notes, "Quorum queues: default delivery limit".
NO_DELIVERY_LIMIT = -1
DEAD_QUEUE_ARGUMENTS: Mapping[str, Any] = {**EVENT_QUEUE_ARGUMENTS, "x-delivery-limit": NO_DELIVERY_LIMIT}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str = "direct"


@dataclass(frozen=True, slots=True)
class QueueDeclaration:
    """A durable queue."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Binding:
    """A way from an exchange into a queue."""

    exchange: str
    queue: str
    key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


#: What to declare one after the other. Chains need no order among them.
Chain = tuple[Exchange | QueueDeclaration | Binding, ...]

#: The queue for the failed attempts that the pilots of all workflows report. MQS takes reports at once; while MQS is
#: away, the newest stay.
ATTEMPTS = QueueDeclaration(
    ATTEMPTS_QUEUE,
    {**EVENT_QUEUE_ARGUMENTS, "x-delivery-limit": -1, "x-max-length": 100_000, "x-overflow": "drop-head"},
)

#: The exchange that every workflow's dead letters pass through, and MQS's own queue.
VHOST_CHAIN: Chain = (Exchange(DEAD_EXCHANGE, kind="headers"), ATTEMPTS)


def declaration_stages(workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> tuple[tuple[Chain, ...], tuple[Chain, ...]]:
    """Return what to declare for a workflow, in two stages: exchanges and queues, then bindings.

    Within a stage there is no order. Each link is a chain of its own: the broker writes together what comes over
    several channels at once.
    """
    links = [link for chain in (dead_letter_chain(workflow_id), *map(queue_chain, mqids)) for link in chain]
    return (
        tuple((link,) for link in links if not isinstance(link, Binding)),
        (
            *((link,) for link in links if isinstance(link, Binding)),
            *((dead_letter_binding(workflow_id, mqid),) for mqid in mqids),
        ),
    )


def dead_letter_chain(workflow_id: WorkflowId) -> Chain:
    """Return what collects the dead letters of a workflow."""
    exchange, queue = dead_exchange(workflow_id), dead_queue(workflow_id)
    return (
        Exchange(exchange),
        QueueDeclaration(queue, DEAD_QUEUE_ARGUMENTS),
        Binding(exchange, queue, key=workflow_id),
        attempts_binding(workflow_id),
    )


def attempts_binding(workflow_id: WorkflowId) -> Binding:
    """Return the binding that carries reports of failed attempts from a workflow's pilots to MQS."""
    return Binding(dead_exchange(workflow_id), ATTEMPTS_QUEUE, key=ATTEMPTS_KEY)


def queue_chain(mqid: Mqid) -> Chain:
    """Return what makes queue `mqid`, and the only way into it."""
    exchange = event_exchange(mqid)
    return (Exchange(exchange), QueueDeclaration(mqid, EVENT_QUEUE_ARGUMENTS), way_in(mqid))


def way_in(mqid: Mqid) -> Binding:
    """Return the only binding into queue `mqid`. Without it the broker gives back what is published for the queue."""
    return Binding(event_exchange(mqid), mqid, key=mqid)


def dead_letter_binding(workflow_id: WorkflowId, mqid: Mqid) -> Binding:
    """Return the binding that carries dead events of `mqid` to the dead letters of its workflow.

    It matches the header that the broker itself writes when an event dies, not the routing key: a publisher's CC header
    adds routing keys, and a key of another workflow among them would carry the event there.
    """
    return Binding(
        DEAD_EXCHANGE, dead_queue(workflow_id), arguments={"x-match": "all-with-x", DEAD_BINDING_HEADER: mqid}
    )


@dataclass(frozen=True, slots=True)
class Deletion:
    """Names to delete from the broker. Bindings go with their queue."""

    queues: tuple[str, ...]
    exchanges: tuple[str, ...]


def group_deletion(workflow_id: WorkflowId, mqids: Iterable[Mqid], *, with_dead_letters: bool) -> Deletion:
    """Return what to delete for queues `mqids`, and for the workflow's dead letters if they go too."""
    queues: list[str] = []
    exchanges: list[str] = []
    for mqid in mqids:
        exchanges.append(event_exchange(mqid))
        queues.append(mqid)
    if with_dead_letters:
        exchanges.append(dead_exchange(workflow_id))
        queues.append(dead_queue(workflow_id))
    return Deletion(tuple(queues), tuple(exchanges))


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How far one queue may grow, and how long one event may stay with a consumer."""

    max_events: int
    max_bytes: int
    consumer_timeout: timedelta
    #: The n-th attempt of a failed event waits n times `retry_step`, at most `retry_max`.
    retry_step: timedelta
    retry_max: timedelta


_RESULTS = re.compile(RESULTS_POLICY_PATTERN)


def is_for_results(mqid: Mqid) -> bool:
    """Return whether users take events from queue `mqid`, and no task does."""
    return _RESULTS.fullmatch(mqid) is not None


def policy_definition(limits: QueueLimits, *, delayed_retry: bool, for_results: bool = False) -> dict[str, Any]:
    """Return the definition of the policy for queues of events, or for queues of results (`for_results`).

    Queues of results have no delivery limit: a user's program that lost its connection sixteen times did no harm to the
    events it had on loan. Nor are those events delayed.

    `delayed_retry` is for brokers from 4.3.1 on; an older one refuses a policy with keys that it does not know.
    Source: RabbitMQ documentation, "Quorum Queues": at-least-once dead-lettering needs `reject-publish`.
    """
    definition: dict[str, Any] = {
        "dead-letter-exchange": DEAD_EXCHANGE,
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
        "delivery-limit": NO_DELIVERY_LIMIT if for_results else DELIVERY_LIMIT,
        "consumer-timeout": _as_milliseconds(limits.consumer_timeout),
        "max-length": limits.max_events,
        "max-length-bytes": limits.max_bytes,
    }
    if delayed_retry and not for_results:
        # `failed` delays what was rejected; what was merely returned comes back at once.
        definition |= {
            "delayed-retry-type": "failed",
            "delayed-retry-min": _as_milliseconds(limits.retry_step),
            "delayed-retry-max": _as_milliseconds(limits.retry_max),
        }
    return definition


def policy_documents(limits: QueueLimits, *, delayed_retry: bool) -> dict[str, dict[str, Any]]:
    """Return the policies by name, as the management API takes and shows them."""
    return {
        POLICY_NAME: _policy_document(POLICY_PATTERN, 0, policy_definition(limits, delayed_retry=delayed_retry)),
        RESULTS_POLICY_NAME: _policy_document(
            RESULTS_POLICY_PATTERN, 1, policy_definition(limits, delayed_retry=delayed_retry, for_results=True)
        ),
    }


def full_policy_document(
    limits: QueueLimits, pattern: str, *, delayed_retry: bool, for_results: bool
) -> dict[str, Any]:
    """Return the policy that makes the queues of `pattern` refuse new events; otherwise it is as before."""
    definition = policy_definition(limits, delayed_retry=delayed_retry, for_results=for_results) | {
        "max-length-bytes": 1
    }
    return _policy_document(pattern, 2, definition)


def _policy_document(pattern: str, priority: int, definition: dict[str, Any]) -> dict[str, Any]:
    return {"pattern": pattern, "apply-to": "quorum_queues", "priority": priority, "definition": definition}


def _as_milliseconds(duration: timedelta) -> int:
    return int(duration / timedelta(milliseconds=1))
