"""Connections that log in with tokens: renewal, expiry, and what a token opens."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from runtime.amqp import (
    AccessRefused,
    Connection,
    ConnectionLost,
    Delivery,
)
from tests.integration.runtime.conftest import PlainDataVhost
from tests.integration.runtime.test_amqp import OTHER, Q, connect, publish
from tests.waiting import eventually


async def test_a_token_that_is_renewed_carries_the_connection_past_the_old_expiry(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    await data.add_queue(Q)

    def token() -> str:
        return data.token(read=Q, write=Q, life_s=3)

    connection = await connect(stack, data.address, token=token())
    dropped: list[str] = []
    connection.on_lost.append(lambda error: dropped.append(error.reason))
    received: set[str] = set()

    def take(delivery: Delivery) -> None:
        received.add(delivery.id)
        acks.append(asyncio.create_task(delivery.ack()))

    acks: list[asyncio.Task[bool]] = []
    await connection.consume(Q, take, prefetch=10)
    loop = asyncio.get_running_loop()
    start, number, renewed_at = loop.time(), 0, loop.time()
    while loop.time() < start + 5:
        if loop.time() - renewed_at > 1:
            await connection.renew_token(token())
            renewed_at = loop.time()
        number += 1
        await publish(connection, number)
        await asyncio.sleep(0.05)
    assert dropped == []
    await eventually(lambda: len(received) == number)
    assert all(await asyncio.gather(*acks))
    # The next connection has to log in with the newest token; the first one has long expired.
    await connection.renew_token(token())
    await data.drop_connections()
    await eventually(lambda: dropped)
    await publish(connection, number + 1)
    await eventually(lambda: len(received) == number + 1)


async def test_a_token_that_lapsed_is_out_until_a_new_one_comes(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.address, token=data.token(read=Q, write=Q, life_s=2))
    got: list[Delivery] = []
    await connection.consume(Q, got.append, prefetch=10)
    await eventually(lambda: isinstance(connection.error, AccessRefused))
    with pytest.raises(ConnectionLost):
        await connection.publish(f"x.{Q}", Q, b"x", message_id="1", timeout_s=0.5)
    await connection.renew_token(data.token(read=Q, write=Q))
    await publish(connection, 2)
    await eventually(lambda: len(got) == 1)


async def test_a_renewal_for_somebody_else_is_refused(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.address, token=data.token(write=Q))
    with pytest.raises(AccessRefused):
        await connection.renew_token(data.token(write=Q, sub="another"))
    await publish(connection, 1)


async def test_a_token_source_is_asked_again_at_every_reconnect(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    await data.add_queue(Q)
    tokens: list[str] = []

    def fresh() -> str:
        tokens.append(data.token(write=Q, life_s=3))
        return tokens[-1]

    connection = await connect(stack, data.address, token=fresh)
    await eventually(lambda: not connection.is_connected)
    await publish(connection, 1)
    assert len(tokens) >= 2


async def test_a_token_opens_its_own_queue_and_no_other(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    await data.add_queue(Q)
    await data.add_queue(OTHER)
    connection = await connect(stack, data.address, token=data.token(read=Q))
    with pytest.raises(AccessRefused):
        await connection.consume(OTHER, lambda _: None, prefetch=1)
    await connection.consume(Q, lambda _: None, prefetch=1)


async def test_refused_credentials_and_an_absent_broker_are_told_apart(data: PlainDataVhost) -> None:
    with pytest.raises(AccessRefused):
        await Connection.connect(data.address, token="eyJ.no.token", wait_s=5)
    with pytest.raises(AccessRefused):
        await Connection.connect(data.address, token=data.token(read=Q, life_s=-60), wait_s=5)
    with pytest.raises(AccessRefused):
        await Connection.connect(data.rabbitmq.amqp_url("wms", data.vhost), wait_s=5)
    with pytest.raises(ConnectionLost):
        await Connection.connect("amqp://a:b@127.0.0.1:1/ewms", wait_s=0.2)
