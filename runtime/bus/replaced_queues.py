"""Declare a quorum queue where an earlier version of EWMS has declared a classic queue of the same name.

The broker refuses to declare a queue again with other arguments. So the classic queue is deleted, with the events that
wait in it. This is only for queues whose senders send again: questions, and orders for step workers. Processes of the
earlier version that have subscribed go on with the new queue. After a lost connection they cannot subscribe again,
because they declare the classic queue first: they need the new version.

Remove this module when no deployment has queues of a version before 0.2.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from runtime.amqp.errors import DeclaredOtherwise
from runtime.amqp.link import Link
from runtime.telemetry import log

_CLASSIC: dict[str, Any] = {"x-queue-type": "classic"}


async def declare_quorum_queue(
    link: Link, queue: str, arguments: Mapping[str, Any], *, was_auto_delete: bool = False
) -> None:
    """Declare the quorum queue `queue`, and replace a classic queue of that name. A repetition changes nothing.

    `was_auto_delete` says whether the classic queue was declared as one that ends with its last consumer.

    Raises:
        DeclaredOtherwise: the queue exists with other arguments, and is not that classic queue.
        Unavailable: the broker is away.
    """
    try:
        await _declare_queue(link, queue, arguments)
        return
    except DeclaredOtherwise:
        # If another process has just replaced the queue, it is not classic any more, and must stay.
        with suppress(DeclaredOtherwise):
            await _delete_classic(link, queue, was_auto_delete)
    await _declare_queue(link, queue, arguments)


async def _declare_queue(link: Link, queue: str, arguments: Mapping[str, Any]) -> None:
    # The broker closes the channel of a refused declaration, so each declaration borrows a channel.
    async with link.lend_channel() as channel:
        await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum", **arguments})


async def _delete_classic(link: Link, queue: str, is_auto_delete: bool) -> None:
    async with link.lend_channel() as channel:
        # The broker refuses this if the queue is not classic.
        await channel.queue_declare(queue, durable=True, auto_delete=is_auto_delete, arguments=_CLASSIC)
        await channel.queue_delete(queue)
    log.warning("a classic queue of an earlier version is deleted, a quorum queue takes its place", queue=queue)
