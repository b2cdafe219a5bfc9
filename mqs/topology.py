"""A workflow's exchanges, queues and bindings, and the one policy of the vhost, as data. Nothing here performs I/O.

    x.<mqid> (direct) ──<mqid>──► <mqid> (quorum) ··dead letters··► dead (headers) ──x-first-death-queue──┐
    x.dead.<workflow> (direct) ──<workflow>──────────────────────────────────────────► dead.<workflow> ◄──┘
                               ──attempts──────────────────────────────────────────► mqs.attempts (of all workflows)

Who may publish is decided at an exchange, since AMQP checks nothing else on a publish: an exchange with one queue
behind it is what makes a token good for one queue. The names are those of `schemas.topology`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from schemas.attempts import ATTEMPTS_KEY, ATTEMPTS_QUEUE
from schemas.ids import Mqid, WorkflowId
from schemas.topology import (
    DEAD_BINDING_HEADER,
    DEAD_EXCHANGE,
    DELIVERY_LIMIT,
    POLICY_PATTERN,
    dead_exchange,
    dead_queue,
    event_exchange,
)

#: The arguments of a queue of events are exactly these, because existing message clients declare a queue again
#: with exactly these and are refused if others are in force. Everything else is the policy's.
EVENT_QUEUE_ARGUMENTS: Mapping[str, Any] = {"x-queue-type": "quorum"}

#: The policy leaves dead letters alone, and without a limit of its own the broker would drop a dead letter that was
#: looked at and put back twenty times. Source: RabbitMQ 4.0 release notes, "Quorum queues: default delivery limit".
DEAD_QUEUE_ARGUMENTS: Mapping[str, Any] = {**EVENT_QUEUE_ARGUMENTS, "x-delivery-limit": -1}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str = "direct"


@dataclass(frozen=True, slots=True)
class Queue:
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


#: What has to be declared one after the other; chains of different queues need no order among them.
Chain = tuple[Exchange | Queue | Binding, ...]

#: Where the pilots of all workflows report failed attempts. MQS takes them at once; while it is away the newest stay.
ATTEMPTS = Queue(
    ATTEMPTS_QUEUE,
    {**EVENT_QUEUE_ARGUMENTS, "x-delivery-limit": -1, "x-max-length": 100_000, "x-overflow": "drop-head"},
)

#: The vhost's own exchange, which every workflow's dead letters pass, and MQS's own queue.
VHOST_CHAIN: Chain = (Exchange(DEAD_EXCHANGE, kind="headers"), ATTEMPTS)


def stages(workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> tuple[tuple[Chain, ...], ...]:
    """Return what makes the queues of a workflow: chains that need no order, stage after stage."""
    return (
        (dead_letter_chain(workflow_id), *map(queue_chain, mqids)),
        tuple((dead_letter_binding(workflow_id, mqid),) for mqid in mqids),
    )


def dead_letter_chain(workflow_id: WorkflowId) -> Chain:
    """Return what collects the dead letters of a workflow."""
    exchange, queue = dead_exchange(workflow_id), dead_queue(workflow_id)
    return (
        Exchange(exchange),
        Queue(queue, DEAD_QUEUE_ARGUMENTS),
        Binding(exchange, queue, key=workflow_id),
        attempts_binding(workflow_id),
    )


def attempts_binding(workflow_id: WorkflowId) -> Binding:
    """Return the way that reports of failed attempts take from the pilots of a workflow to MQS."""
    return Binding(dead_exchange(workflow_id), ATTEMPTS_QUEUE, key=ATTEMPTS_KEY)


def queue_chain(mqid: Mqid) -> Chain:
    """Return what makes queue `mqid`, and the only way into it."""
    exchange = event_exchange(mqid)
    return (Exchange(exchange), Queue(mqid, EVENT_QUEUE_ARGUMENTS), way_in(mqid))


def way_in(mqid: Mqid) -> Binding:
    """Return the only way into queue `mqid`. Without it the broker gives back what is published for the queue."""
    return Binding(event_exchange(mqid), mqid, key=mqid)


def dead_letter_binding(workflow_id: WorkflowId, mqid: Mqid) -> Binding:
    """Return the way that what dies in `mqid` takes to the dead letters of its workflow.

    By the header that the broker itself writes when an event dies, not by routing key: a publisher's CC header adds
    routing keys, and a key of another workflow among them would carry the event over there.
    """
    return Binding(
        DEAD_EXCHANGE, dead_queue(workflow_id), arguments={"x-match": "all-with-x", DEAD_BINDING_HEADER: mqid}
    )


@dataclass(frozen=True, slots=True)
class Doomed:
    """Names to delete from the broker. Bindings go with their queue."""

    queues: tuple[str, ...]
    exchanges: tuple[str, ...]


def doomed(workflow_id: WorkflowId, mqids: Iterable[Mqid], *, with_dead_letters: bool) -> Doomed:
    """Return what to delete for queues `mqids`, and for the workflow's dead letters if they go too."""
    queues: list[str] = []
    exchanges: list[str] = []
    for mqid in mqids:
        exchanges.append(event_exchange(mqid))
        queues.append(mqid)
    if with_dead_letters:
        exchanges.append(dead_exchange(workflow_id))
        queues.append(dead_queue(workflow_id))
    return Doomed(tuple(queues), tuple(exchanges))


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How far one queue may grow, and how long one event may stay with a consumer."""

    max_events: int
    max_bytes: int
    consumer_timeout: timedelta
    #: The n-th attempt of a failed event waits n times `retry_step`, at most `retry_max`.
    retry_step: timedelta
    retry_max: timedelta


def policy(limits: QueueLimits, *, delayed_retry: bool) -> dict[str, Any]:
    """Return the definition of the vhost's one policy, which governs all queues of events.

    `delayed_retry` is for brokers from 4.3.1 on; an older one refuses a policy with keys that it does not know.
    Source: RabbitMQ documentation, "Quorum Queues": at-least-once dead-lettering needs `reject-publish`.
    """
    definition: dict[str, Any] = {
        "dead-letter-exchange": DEAD_EXCHANGE,
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
        "delivery-limit": DELIVERY_LIMIT,
        "consumer-timeout": _milliseconds(limits.consumer_timeout),
        "max-length": limits.max_events,
        "max-length-bytes": limits.max_bytes,
    }
    if delayed_retry:
        # `failed` delays what was rejected; what was merely returned comes back at once.
        definition |= {
            "delayed-retry-type": "failed",
            "delayed-retry-min": _milliseconds(limits.retry_step),
            "delayed-retry-max": _milliseconds(limits.retry_max),
        }
    return definition


def policy_document(limits: QueueLimits, *, delayed_retry: bool) -> dict[str, Any]:
    """Return the policy as the management API takes and shows it."""
    return {
        "pattern": POLICY_PATTERN,
        "apply-to": "quorum_queues",
        "priority": 0,
        "definition": policy(limits, delayed_retry=delayed_retry),
    }


def full_policy_document(limits: QueueLimits, pattern: str, *, delayed_retry: bool) -> dict[str, Any]:
    """Return the policy under which the queues of `pattern` take nothing more; else it is the vhost's."""
    definition = policy(limits, delayed_retry=delayed_retry) | {"max-length-bytes": 1}
    return {"pattern": pattern, "apply-to": "quorum_queues", "priority": 1, "definition": definition}


def _milliseconds(duration: timedelta) -> int:
    return int(duration / timedelta(milliseconds=1))
