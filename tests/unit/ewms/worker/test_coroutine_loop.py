"""All coroutines of a worker's steps run on one loop."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ewms.loop_thread import LoopThread
from ewms.worker import coroutine_loop
from ewms.worker.coroutine_loop import CoroutineLoop


async def _find_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_coroutines_that_come_first_from_several_threads_share_one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_slowly(name: str) -> LoopThread:
        time.sleep(0.05)
        return LoopThread(name)

    monkeypatch.setattr(coroutine_loop, "LoopThread", open_slowly)
    coroutines = CoroutineLoop()
    together = threading.Barrier(4)

    def run_first() -> asyncio.AbstractEventLoop:
        together.wait(10)
        loop: asyncio.AbstractEventLoop = coroutines.run_coroutine(_find_loop())
        return loop

    with ThreadPoolExecutor(4) as pool:
        loops = {found.result(10) for found in [pool.submit(run_first) for _ in range(4)]}
    coroutines.close()
    assert len(loops) == 1
