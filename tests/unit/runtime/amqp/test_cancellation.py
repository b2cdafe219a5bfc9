"""Whoever catches a `CancelledError` finds out whether it was meant."""

import asyncio

import pytest

from runtime.amqp.cancellation import is_task_cancelled


async def test_a_wait_that_was_cancelled_is_told_from_a_task_that_was() -> None:
    wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    found: list[bool] = []

    async def work() -> None:
        try:
            await wait
        except asyncio.CancelledError:
            found.append(is_task_cancelled())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            found.append(is_task_cancelled())
            raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    wait.cancel()
    while not found:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert found == [False, True]
