"""Find out whether a quorum queue has a leader. A queue without one takes and gives no events, and says nothing.

If the broker is killed while it makes a queue, the queue may never get a leader. To declare it again does not help, and
the management API shows it as running. While most of its nodes are down, a queue has no leader either; it gets one
later, with all its events. `docs/decisions/0010-sealed-queues.md` has the measurements.
"""

import asyncio
from collections.abc import Iterable

from aiormq.channel import Channel
from aiormq.exceptions import ChannelLockedResource

from runtime.amqp.connection import Connection
from runtime.amqp.link import Link

#: How many connections to ask over at a time, and how many queues over each. A connection may have 16 channels only.
_N_TWINS, _N_QUESTIONS = 2, 8

#: How many seconds such a connection waits for an answer of the broker, also when it closes.
_TWIN_TIMEOUT_S = 3.0

#: After how many seconds a queue that does not answer has no leader. Others answer within 10 ms on two cores.
_ANSWER_S = 3.0


class _NoAnswer(Exception):
    """The queue has not answered in time."""


class LeaderQuestions:
    """Asks queues whether they have a leader, over connections of its own with the credentials of `connection`.

    If a queue has no leader, the question stays open. When the queue is deleted, the broker ends the question's whole
    connection, with an error. So no other work may use that connection, and this closes it before it returns.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._turns = asyncio.Semaphore(_N_TWINS)
        self._idle: list[Connection] = []

    async def find_leaderless(self, queues: Iterable[str]) -> list[str]:
        """Return which of `queues` have no leader.

        Raises:
            EWMSError: the broker does not answer at all.
        """
        asked, answers = list(queues), list[bool]()
        async with self._turns:
            twin = self._idle.pop() if self._idle else await self._connection.open_twin(timeout_s=_TWIN_TIMEOUT_S)
            try:
                answers = await _ask_all(twin, asked)
            finally:
                if len(answers) == len(asked) and all(answers):
                    self._idle.append(twin)
                else:
                    await twin.close()
        return [queue for queue, answered in zip(asked, answers, strict=True) if not answered]

    async def close(self) -> None:
        """Close the connections. Call it when no question is under way."""
        await asyncio.gather(*(twin.close() for twin in self._idle))
        self._idle.clear()


async def _ask_all(link: Link, queues: Iterable[str]) -> list[bool]:
    lanes = asyncio.Semaphore(_N_QUESTIONS)

    async def ask_queue(queue: str) -> bool:
        async with lanes:
            return await has_leader(link, queue)

    return await asyncio.gather(*map(ask_queue, queues))


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
