"""Whoever catches a `CancelledError` finds out whether it was meant."""

import asyncio

import pytest
from aiormq.exceptions import ChannelNotFoundEntity

from runtime.amqp import ConnectionLost, NotDeclared
from runtime.amqp.cancellation import CHANNEL_ERRORS, translate_channel_error


async def ask_on(wait: "asyncio.Future[None]") -> None:
    try:
        await wait
    except CHANNEL_ERRORS as error:
        raise translate_channel_error(error) from error


async def test_a_wait_that_the_library_cancels_is_a_lost_channel() -> None:
    wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(wait.cancel)
    with pytest.raises(ConnectionLost, match="the channel was closed"):
        await ask_on(wait)


async def test_a_task_that_was_cancelled_itself_ends() -> None:
    task = asyncio.create_task(ask_on(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_wait_whose_time_is_over_was_not_lost() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await ask_on(asyncio.get_running_loop().create_future())


async def test_other_errors_keep_their_meaning() -> None:
    wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    wait.set_exception(ChannelNotFoundEntity("NOT_FOUND - no queue"))
    with pytest.raises(NotDeclared):
        await ask_on(wait)
