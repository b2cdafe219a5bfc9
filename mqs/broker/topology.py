"""Describe a workflow's exchanges, queues and bindings, and the policies of the vhost, as data. (core)

    x.<mqid> (direct) ──<mqid>──► <mqid> (quorum) ··dead letters··► dead (headers) ──x-first-death-queue──┐
    x.dead.<workflow> (direct) ──<workflow>──────────────────────────────────────────► dead.<workflow> ◄──┘
                               ──attempts──────────────────────────────────────────► mqs.attempts (of all workflows)

On a publish the broker checks only the exchange. So each queue has its own exchange, and a token can be good for one
queue. The names are those of `schemas.broker.topology`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Any

from schemas.attempts.failed_reports import ATTEMPTS_KEY, ATTEMPTS_QUEUE
from schemas.broker.topology import (
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
from schemas.ids import Mqid, WorkflowId

#: The arguments of a queue of events. Existing message clients declare it again with exactly these, and the broker
#: refuses them if the queue has others. The policy sets everything else.
EVENT_QUEUE_ARGUMENTS: Mapping[str, Any] = {"x-queue-type": "quorum"}

#: The policy does not apply to dead letters. Without this argument, the broker would drop a dead letter that was read
#: and put back twenty times. Source: RabbitMQ 4.0 release notes, "Quorum queues: default delivery limit".
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
    """An AMQP binding: events at `exchange` with this `key`, or with the headers in `arguments`, go into `queue`."""

    exchange: str
    queue: str
    key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


#: Things to declare in this order. Several chains may be declared in any order.
Chain = tuple[Exchange | QueueDeclaration | Binding, ...]

#: The queue for the failed attempts that the pilots of all workflows report. MQS takes reports at once. While MQS is
#: away, the queue keeps the newest.
ATTEMPTS = QueueDeclaration(
    ATTEMPTS_QUEUE,
    {**EVENT_QUEUE_ARGUMENTS, "x-delivery-limit": -1, "x-max-length": 100_000, "x-overflow": "drop-head"},
)

#: The exchange for the dead letters of every workflow, and MQS's own queue.
VHOST_CHAIN: Chain = (Exchange(DEAD_EXCHANGE, kind="headers"), ATTEMPTS)


def declaration_stages(workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> tuple[tuple[Chain, ...], ...]:
    """Return the chains to declare for a workflow, in three stages: queues of events; exchanges and the queue of dead
    letters; bindings.

    The first stage has only what a workflow waits for. The order within a stage does not matter. Each link is a
    separate chain, because the broker writes several links together if they come over several channels at once.
    """
    queues: list[Chain] = []
    surroundings: list[Chain] = []
    bindings: list[Chain] = [(dead_letter_binding(workflow_id, mqid),) for mqid in mqids]
    for link in (*dead_letter_chain(workflow_id), *chain.from_iterable(map(queue_chain, mqids))):
        match link:
            case QueueDeclaration(name) if name in mqids:
                queues.append((link,))
            case Binding():
                bindings.append((link,))
            case _:
                surroundings.append((link,))
    return tuple(queues), tuple(surroundings), tuple(bindings)


def dead_letter_chain(workflow_id: WorkflowId) -> Chain:
    """Return the exchange, queue and binding that collect the dead letters of a workflow."""
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
    """Return the exchange, the queue `mqid`, and the only binding into it."""
    exchange = event_exchange(mqid)
    return (Exchange(exchange), QueueDeclaration(mqid, EVENT_QUEUE_ARGUMENTS), queue_binding(mqid))


def queue_binding(mqid: Mqid) -> Binding:
    """Return the only binding into queue `mqid`. Without it the broker returns events to their publishers."""
    return Binding(event_exchange(mqid), mqid, key=mqid)


def dead_letter_binding(workflow_id: WorkflowId, mqid: Mqid) -> Binding:
    """Return the binding that carries dead events of `mqid` to the dead letters of its workflow.

    It matches the header that the broker itself writes when an event dies, and not the routing key. A publisher's CC
    header can add routing keys, and a key of another workflow would carry the event to that workflow.
    """
    return Binding(
        DEAD_EXCHANGE, dead_queue(workflow_id), arguments={"x-match": "all-with-x", DEAD_BINDING_HEADER: mqid}
    )


@dataclass(frozen=True, slots=True)
class Deletion:
    """The names of the queues and exchanges to delete from the broker. The broker deletes a queue's bindings with
    it.
    """

    queues: tuple[str, ...]
    exchanges: tuple[str, ...]


def group_deletion(workflow_id: WorkflowId, mqids: Iterable[Mqid], *, with_dead_letters: bool) -> Deletion:
    """Return the names to delete for queues `mqids` and, if `with_dead_letters`, for the workflow's dead letters."""
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
    """How large one queue may become, and how long one event may stay with a consumer."""

    max_events: int
    max_bytes: int
    consumer_timeout: timedelta
    #: The n-th attempt of a failed event waits n times `retry_step`, at most `retry_max`.
    retry_step: timedelta
    retry_max: timedelta


_RESULTS = re.compile(RESULTS_POLICY_PATTERN)


def is_for_results(mqid: Mqid) -> bool:
    """Return whether users take events from queue `mqid` and tasks do not."""
    return _RESULTS.fullmatch(mqid) is not None


def policy_definition(limits: QueueLimits, *, delayed_retry: bool, for_results: bool = False) -> dict[str, Any]:
    """Return the definition of the policy for queues of events, or for queues of results (`for_results`).

    Queues of results have no delivery limit: a user's program may lose its connection sixteen times without harm to the
    events that it holds. The broker does not delay those events either.

    `delayed_retry` is for brokers from 4.3.1 on. An older broker refuses a policy with unknown keys.
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
        # `failed` delays rejected events. Returned events come back at once.
        definition |= {
            "delayed-retry-type": "failed",
            "delayed-retry-min": _as_milliseconds(limits.retry_step),
            "delayed-retry-max": _as_milliseconds(limits.retry_max),
        }
    return definition


def policy_documents(limits: QueueLimits, *, delayed_retry: bool) -> dict[str, dict[str, Any]]:
    """Return the policies by name, in the form of the management API."""
    return {
        POLICY_NAME: _policy_document(POLICY_PATTERN, 0, policy_definition(limits, delayed_retry=delayed_retry)),
        RESULTS_POLICY_NAME: _policy_document(
            RESULTS_POLICY_PATTERN, 1, policy_definition(limits, delayed_retry=delayed_retry, for_results=True)
        ),
    }


def full_policy_document(
    limits: QueueLimits, pattern: str, *, delayed_retry: bool, for_results: bool
) -> dict[str, Any]:
    """Return the policy that makes the queues of `pattern` refuse new events, and else is like the usual policy."""
    definition = policy_definition(limits, delayed_retry=delayed_retry, for_results=for_results) | {
        "max-length-bytes": 1
    }
    return _policy_document(pattern, 2, definition)


def _policy_document(pattern: str, priority: int, definition: dict[str, Any]) -> dict[str, Any]:
    return {"pattern": pattern, "apply-to": "quorum_queues", "priority": priority, "definition": definition}


def _as_milliseconds(duration: timedelta) -> int:
    return int(duration / timedelta(milliseconds=1))
