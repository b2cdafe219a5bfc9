"""What leaves a connection, in which order, and what does not leave it any more."""

import asyncio

import pytest
from aiormq.abc import ChannelFrame
from aiormq.exceptions import ChannelInvalidStateError
from pamqp import commands as spec
from pamqp.base import Frame

from runtime.amqp.sending import SendQueue


def frame(number: int, *methods: Frame, drain: asyncio.Future[None] | None = None) -> ChannelFrame:
    return ChannelFrame.marshall(number, methods, drain)


def ack(tag: int) -> Frame:
    return spec.Basic.Ack(delivery_tag=tag)


def payloads(onward: asyncio.Queue[ChannelFrame]) -> bytes:
    sent = b""
    while not onward.empty():
        sent += onward.get_nowait().payload
    return sent


async def test_what_one_turn_of_the_loop_sends_is_one_write_in_order() -> None:
    onward: asyncio.Queue[ChannelFrame] = asyncio.Queue(10)
    sending = SendQueue(onward)
    frames = [frame(1, ack(n)) for n in range(100)]
    for each in frames:
        await sending.put(each)
    await asyncio.sleep(0)
    assert onward.qsize() == 1
    assert payloads(onward) == b"".join(each.payload for each in frames)


async def test_what_waits_for_the_socket_goes_behind_what_was_there_before() -> None:
    onward: asyncio.Queue[ChannelFrame] = asyncio.Queue(10)
    sending = SendQueue(onward)
    drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    frames = [frame(1, ack(1)), frame(1, ack(2), drain=drained), frame(1, ack(3))]
    for each in frames:
        await sending.put(each)
    await asyncio.sleep(0)
    first, second, third = (onward.get_nowait() for _ in range(3))
    assert [first.payload, second.payload, third.payload] == [each.payload for each in frames]
    assert second.drain_future is drained


async def test_a_full_queue_is_waited_for_and_the_order_kept() -> None:
    onward: asyncio.Queue[ChannelFrame] = asyncio.Queue(1)
    sending = SendQueue(onward)
    frames = [frame(1, ack(n)) for n in range(5)]
    for each in frames:
        await sending.put(each)
        await asyncio.sleep(0)
    sent = b""
    while len(sent) < sum(len(each.payload) for each in frames):
        sent += (await asyncio.wait_for(onward.get(), 5)).payload
    assert sent == b"".join(each.payload for each in frames)


async def test_nothing_of_a_channel_goes_behind_its_close_until_it_is_opened_again() -> None:
    onward: asyncio.Queue[ChannelFrame] = asyncio.Queue(10)
    sending = SendQueue(onward)
    sending.put_nowait(frame(7, spec.Channel.CloseOk()))
    with pytest.raises(ChannelInvalidStateError):
        await sending.put(frame(7, ack(1)))
    others = [frame(8, ack(1)), frame(7, spec.Channel.Open()), frame(7, ack(1))]
    for each in others:
        await sending.put(each)
    await asyncio.sleep(0)
    assert payloads(onward).endswith(b"".join(each.payload for each in others))


async def test_a_lost_connection_takes_nothing_more_and_keeps_nobody_waiting() -> None:
    onward: asyncio.Queue[ChannelFrame] = asyncio.Queue(1)
    sending = SendQueue(onward)
    for number in range(3):
        await sending.put(frame(1, ack(number)))
        await asyncio.sleep(0)
    sending.abandon_all()
    with pytest.raises(ChannelInvalidStateError):
        await sending.put(frame(1, ack(9)))
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
