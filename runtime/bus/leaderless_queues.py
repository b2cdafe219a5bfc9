"""Delete queues without a leader, so that they can be made anew, but only queues in which no event can be.

A queue can have an event only when it is bound to an exchange to which others send. So its service first binds it to
another exchange, the *guard*, and never unbinds it:

    declare guard and queue -> ask for the leader -> seal the queue -> bind it to the guard -> bind it for events

As long as the guard has no binding, the queue has never received an event. The broker itself checks that: it deletes an
exchange `if_unused` only without bindings, and after a refusal it ignores what follows on the channel. So no process
and no crash of one can come between the check and the deletion.

`docs/decisions/0010-sealed-queues.md` gives the reasons.
"""

from collections.abc import Sequence

from aiormq.channel import Channel
from pamqp.common import FieldTable

from runtime.amqp import Connection, NoLeader
from runtime.amqp.leaders import LeaderQuestions
from runtime.telemetry import log
from schemas.broker import topology
from schemas.errors import EWMSError

_MENDING: FieldTable = {
    "x-queue-type": "classic",
    # After a refusal the exclusive queue stays. Then another process can try after this time.
    "x-expires": 60_000,
}


async def delete_leaderless(connection: Connection, queues: Sequence[str], *, guard: str) -> bool:
    """Delete those of `queues` that have no leader, and with them the exchange `guard`. Return whether there were any.

    The caller then declares the guard and the queues again.

    Raises:
        NoLeader: a queue has no leader and may have events, or another process makes it anew now.
        Unavailable: the broker is away.
    """
    leaderless = await _find_leaderless(connection, queues)
    if not leaderless:
        return False
    names = ", ".join(leaderless)
    try:
        async with connection.lend_channel() as channel:
            await _delete_unused(channel, leaderless, guard, mending=topology.mending_queue(queues[0]))
    except EWMSError as error:
        raise NoLeader(
            f"the broker has no leader for {names}, so no event comes out, and some may be in it ({error.reason})",
            hint="start all nodes of the broker; if they run and this stays, delete the queue: its events are lost",
        ) from error
    log.warning("queues without a leader are deleted, and made anew: no event was in them", queues=names)
    return True


async def _find_leaderless(connection: Connection, queues: Sequence[str]) -> list[str]:
    async with connection.lend_channel() as channel:
        # Only a leader knows how many events a queue has. For one without a leader the broker says 0.
        empty = [queue for queue in queues if not (await channel.queue_declare(queue, passive=True)).message_count]
    if not empty:
        return []
    questions = LeaderQuestions(connection)
    try:
        return await questions.find_leaderless(empty)
    finally:
        await questions.close()


async def _delete_unused(channel: Channel, queues: Sequence[str], guard: str, *, mending: str) -> None:
    # To delete a queue without a leader takes 5 s. A second process that did the same could hit the queue's successor.
    await channel.queue_declare(mending, exclusive=True, arguments=_MENDING)
    # The queue of an earlier version may have no guard, and is bound.
    await channel.exchange_declare(guard, passive=True)
    for queue in queues:
        # Without a pause between the two, and checked by the broker.
        await channel.exchange_delete(guard, if_unused=True, nowait=True)
        await channel.queue_delete(queue)
    await channel.queue_delete(mending)
