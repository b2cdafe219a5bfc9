"""Find out whether a quorum queue has a leader. A queue without one takes and gives no events, and says nothing.

If the broker is killed while it makes a queue, the queue may never get a leader. To declare it again does not help, and
the management API shows it as running. While most of its nodes are down, a queue has no leader either; it gets one
later, with all its events. `docs/decisions/0010-sealed-queues.md` has the measurements.
"""

import asyncio

from aiormq.channel import Channel
from aiormq.exceptions import ChannelLockedResource

from runtime.amqp.link import Link

#: After how many seconds a queue that does not answer has no leader. Others answer within 10 ms on two cores.
_ANSWER_S = 3.0


class _NoAnswer(Exception):
    """The queue has not answered in time."""


async def has_leader(link: Link, queue: str) -> bool:
    """Return whether `queue` has a leader: whether it answers when it is asked for an event, within 3 s.

    If the queue has an event, the event goes back. RabbitMQ 4.3 and later do not count this as an attempt.

    Raises:
        EWMSError: the broker does not answer at all, or refuses the question.
    """
    try:
        async with link.lend_channel() as channel:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await _look_into_queue(channel, queue)
            except TimeoutError:
                # The channel waits for its answer, so it must not be lent again.
                raise _NoAnswer from None
    except _NoAnswer:
        return False
    return True


async def _look_into_queue(channel: Channel, queue: str) -> None:
    try:
        found = await channel.basic_get(queue)
    except ChannelLockedResource:
        return  # only a leader knows that its queue has a single active consumer, and refuses
    if found.delivery_tag is not None:
        await channel.basic_nack(found.delivery_tag, requeue=True)
