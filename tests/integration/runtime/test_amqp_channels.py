"""Channels that a connection lends and gets back, and what it keeps of them."""

import gc
from contextlib import AsyncExitStack, suppress

import pytest
from aiormq.channel import Channel

from runtime.amqp import (
    Consumer,
    NotDeclared,
)
from schemas.errors import EWMSError
from tests.integration.runtime.conftest import PlainDataVhost
from tests.integration.runtime.test_amqp import Q, connect
from tests.waiting import eventually


async def test_channels_that_come_and_go_do_not_use_up_the_connections_numbers(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    # The broker lets a connection have 16 channels and closes it at a higher number.
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    dropped: list[EWMSError] = []
    connection.on_lost.append(dropped.append)
    await connection.consume(Q, lambda _: None, prefetch=1)
    for number in range(40):
        with pytest.raises(NotDeclared):
            await connection.publish("x.nowhere", "a", b"x", message_id=str(number))
        async with connection.lend_channel() as channel:
            await channel.queue_declare(Q, passive=True)
    assert dropped == []


def n_live(kind: type) -> int:
    """Return how many objects of `kind` there are in this process."""
    gc.collect()
    return sum(isinstance(found, kind) for found in gc.get_objects())


async def test_a_connection_keeps_nothing_of_the_channels_it_has_lent(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)

    async def operate() -> None:
        async with connection.lend_channel() as channel:
            await channel.queue_declare(Q, passive=True)
        # This one ends its channel, so the next needs another.
        with suppress(NotDeclared):
            async with connection.lend_channel() as channel:
                await channel.queue_declare("nowhere", passive=True)

    await operate()
    # A channel that is kept costs 33 objects and 4 KB.
    n_channels, n_objects = n_live(Channel), n_live(object)
    for _ in range(200):
        await operate()
    assert n_live(Channel) <= n_channels
    assert n_live(object) - n_objects < 200


async def test_channels_that_came_back_in_order_are_lent_again_and_no_others(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)

    async def lent() -> Channel:
        async with connection.lend_channel() as channel:
            await channel.queue_declare(Q, passive=True)
        return channel

    first = await lent()
    assert await lent() is first
    # Who fails with a channel may have left it in the middle of something.
    with pytest.raises(ZeroDivisionError):
        async with connection.lend_channel():
            raise ZeroDivisionError
    second = await lent()
    assert second is not first
    assert first.is_closed
    await data.drop_connections()
    await eventually(lambda: second.is_closed and connection.is_connected)
    assert await lent() is not second


async def test_two_borrowers_at_the_same_time_have_two_channels(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    connection = await connect(stack, data.url)
    async with connection.lend_channel() as first, connection.lend_channel() as second:
        assert first is not second


async def test_a_connection_keeps_nothing_of_the_consumers_that_were_closed(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    before = n_live(Consumer)
    for _ in range(10):
        await (await connection.consume(Q, lambda _: None, prefetch=1)).close()
    assert n_live(Consumer) <= before + 1
