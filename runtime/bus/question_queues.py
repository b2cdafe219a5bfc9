"""Declare the queues of questions and of answers on the control vhost.

    who takes from it                           queue                                   if its node of the broker ends
    all processes of a service (`wms`)          quorum, `<service>.requests`            its other members go on
    the only process of a service that answers  exclusive, `<service>.requests.<new>`   the process declares a new one
    one asker                                   exclusive, `<service>.answers.<new>`    the process declares a new one

An exclusive queue belongs to one connection, and the broker puts it on the connection's own node. After a lost
connection the broker may keep the queue for some time, so each declaration has a new name.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from aiormq.channel import Channel

from runtime.amqp.link import Link
from runtime.bus.replaced_queues import declare_quorum_queue
from schemas.broker import topology
from schemas.broker.services import spec_of

#: The broker deletes a shared queue without consumers after this time. From then on a question fails at once, and not
#: at its timeout.
_EXPIRES_MS = 60_000

_SHARED: Mapping[str, Any] = {"x-expires": _EXPIRES_MS}


async def declare_answers(channel: Channel, service: str) -> str:
    """Declare a new queue for answers to `service`, and return its name."""
    await _declare_exchange(channel, service)
    queue = topology.answers_queue(service, uuid.uuid4().hex)
    await _declare_own_queue(channel, queue, key=queue)
    return queue


async def declare_requests(link: Link, channel: Channel, service: str) -> str:
    """Declare the queue from which this process of `service` takes questions, and return its name.

    `channel` is a channel of `link`.
    """
    await _declare_exchange(channel, service)
    if spec_of(service).shares_questions:
        queue = topology.requests_queue(service)
        await declare_quorum_queue(link, queue, _SHARED, was_auto_delete=True)
        await channel.queue_bind(queue, topology.REQUESTS_EXCHANGE, routing_key=service)
    else:
        queue = topology.own_requests_queue(service, uuid.uuid4().hex)
        await _declare_own_queue(channel, queue, key=service)
    return queue


async def _declare_exchange(channel: Channel, service: str) -> None:
    if spec_of(service).declares_shared:
        await channel.exchange_declare(topology.REQUESTS_EXCHANGE, exchange_type="direct", durable=True)


async def _declare_own_queue(channel: Channel, queue: str, *, key: str) -> None:
    # It also ends with its last consumer, so that a question fails at once if only the channel is lost.
    await channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments={"x-queue-type": "classic"})
    await channel.queue_bind(queue, topology.REQUESTS_EXCHANGE, routing_key=key)
