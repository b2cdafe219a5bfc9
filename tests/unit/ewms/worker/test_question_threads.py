"""A call of user code gives its place back, however it ends, and its interrupt hits no other thread."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from ewms.worker import question_threads
from ewms.worker.question_threads import EndedByWorker, QuestionThreads, TookTooLong, _ThreadedCall
from schemas.errors import Unavailable


class StruckLoop:
    """An event loop to which the thread of a call speaks at the moment at which the interrupt hits it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_struck = False

    def create_future(self) -> "asyncio.Future[Any]":
        return self._loop.create_future()

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any) -> None:
        if not self._is_struck:
            self._is_struck = True
            raise EndedByWorker
        self._loop.call_soon_threadsafe(callback, *args)


async def test_a_thread_that_cannot_start_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads = QuestionThreads(n_threads=1, limit_s=5)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(Unavailable, match="no further thread"):
            await threads.call(lambda: 1, "form")
    assert await threads.call(lambda: 2, "form") == 2


async def test_a_caller_that_is_canceled_gives_its_place_back_and_its_call_ends() -> None:
    release = threading.Event()

    def loop_for_ever() -> None:
        while not release.is_set():
            time.sleep(0.001)

    threads = QuestionThreads(n_threads=1, limit_s=5)
    for _ in range(4):  # one more than may hang
        caller = asyncio.ensure_future(threads.call(loop_for_ever, "form"))
        await asyncio.sleep(0.01)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        async with asyncio.timeout(5):
            while threads._n_hung["form"]:
                await asyncio.sleep(0.001)
    assert await threads.call(lambda: 2, "form") == 2
    release.set()


async def test_an_interrupt_during_the_settlement_loses_no_result() -> None:
    loop: Any = StruckLoop(asyncio.get_running_loop())
    call = _ThreadedCall(lambda: 1, loop)
    async with asyncio.timeout(5):
        assert await call.result == 1


async def test_an_interrupt_hits_no_thread_after_the_work_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    hits: list[int] = []
    call = _ThreadedCall(lambda: 1, asyncio.get_running_loop())
    assert await call.result == 1
    monkeypatch.setattr(question_threads.ctypes.pythonapi, "PyThreadState_SetAsyncExc", lambda *_: hits.append(1))
    call.interrupt()
    assert hits == []


async def test_code_that_is_interrupted_before_it_begins_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[int] = []
    call = _ThreadedCall(lambda: called.append(1), asyncio.get_running_loop())
    assert await call.result is None
    call.interrupt()
    found = call._call_work()
    assert isinstance(found, EndedByWorker)
    assert called == [1]


async def test_a_stop_iteration_of_user_code_is_an_error_and_no_hanging_call() -> None:
    def stop() -> None:
        raise StopIteration(3)

    with pytest.raises(RuntimeError, match="StopIteration"):
        await QuestionThreads(n_threads=1, limit_s=1).call(stop, "form")


async def test_interrupts_at_any_moment_leave_no_call_counted_as_hung() -> None:
    threads = QuestionThreads(n_threads=1, limit_s=0.001)
    for n in range(100):
        work = [lambda: None, lambda n=n: time.sleep(n / 50_000)][n % 2]
        with suppress(TookTooLong):
            await threads.call(work, "form")
        async with asyncio.timeout(5):
            while threads._n_hung["form"]:
                await asyncio.sleep(0)


_TRACED = """
import asyncio, sys, time
from contextlib import suppress
from ewms.worker.question_threads import QuestionThreads, TookTooLong

async def call_questions():
    threads = QuestionThreads(n_threads=1, limit_s=0.05)
    await threads.call(lambda: 1, "form")
    with suppress(TookTooLong):
        await threads.call(lambda: [time.sleep(0.001) for _ in range(10**6)], "form")
    while threads._n_hung["form"]:
        await asyncio.sleep(0.001)

asyncio.run(call_questions())
sys.settrace(lambda *_: None)
call_questions().close()
(lambda: None)()
"""


def test_python_can_be_traced_after_calls_have_ended() -> None:
    """While an exception for another thread is on its way, a traced call of Python 3.11 never begins."""
    subprocess.run([sys.executable, "-c", _TRACED], check=True, timeout=150)
