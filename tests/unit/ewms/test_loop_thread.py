"""Synchronous code runs coroutines on a loop in another thread, and an interrupt there leaves nothing behind."""

import asyncio
import gc
import sys
import warnings
from concurrent.futures import CancelledError
from types import FrameType
from typing import Any

import pytest

from ewms import loop_thread
from ewms.loop_thread import LoopThread


async def answer() -> int:
    await asyncio.sleep(0)
    return 7


async def fail() -> int:
    raise ValueError("no")


def test_a_coroutine_gives_its_result_its_error_or_its_end() -> None:
    loop = LoopThread()
    assert loop.run_coroutine(answer) == 7
    with pytest.raises(ValueError, match="no"):
        loop.run_coroutine(fail)

    async def cancel_itself() -> None:
        raise asyncio.CancelledError

    with pytest.raises(CancelledError):
        loop.run_coroutine(cancel_itself)
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_coroutine(answer)


def test_what_makes_the_coroutine_may_fail() -> None:
    loop = LoopThread()

    def make() -> Any:
        raise TypeError("wrong arguments")

    with pytest.raises(TypeError, match="wrong arguments"):
        loop.run_coroutine(make)
    loop.close()


def test_an_interrupt_at_any_line_leaves_no_coroutine_that_nobody_awaits() -> None:
    loop = LoopThread()
    n_lines = 0
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        while interrupt_at_line(loop, n_lines):
            n_lines += 1
        gc.collect()
    assert n_lines >= 5, "the sweep has met the lines of run_coroutine"
    assert [str(one.message) for one in warned] == []
    assert loop.run_coroutine(answer) == 7
    loop.close()


def interrupt_at_line(loop: LoopThread, n_wanted: int) -> bool:
    """Raise KeyboardInterrupt at line number `n_wanted` of `run_coroutine`; return whether it has so many."""
    n_seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal n_seen
        if frame.f_code.co_filename != loop_thread.__file__:
            return None
        if event == "line":
            n_seen += 1
            if n_seen > n_wanted:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        loop.run_coroutine(answer)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False
