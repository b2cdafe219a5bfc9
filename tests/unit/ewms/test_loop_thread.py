"""Synchronous code runs coroutines on a loop in another thread, and an interrupt there leaves nothing behind."""

import asyncio
import gc
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from types import FrameType
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewms import loop_thread
from ewms.loop_thread import HandOver, LoopThread


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


class StepLoop:
    """A loop that runs what was scheduled when the test says so."""

    def __init__(self) -> None:
        self.scheduled: list[Callable[[], None]] = []

    def call_soon_threadsafe(self, call: Callable[[], None]) -> None:
        self.scheduled.append(call)

    call_soon = call_soon_threadsafe

    def run_all(self) -> None:
        while self.scheduled:
            self.scheduled.pop(0)()


class StepThread:
    def __init__(self) -> None:
        self.loop = StepLoop()


@given(st.lists(st.sampled_from(["add", "add", "add while taking", "fail", "turn"]), max_size=30))
def test_every_item_is_handed_over_once_in_order_with_one_wake_up_for_many(steps: list[str]) -> None:
    thread, taken = StepThread(), list[int]()
    to_come, failing = list[int](), set[int]()

    def take(item: int) -> None:
        taken.append(item)
        if to_come:
            over.add_item(to_come.pop())
        if item in failing:
            raise ValueError("a fault of one item")

    over = HandOver(cast(LoopThread, thread), take)
    n_items = 0
    for step in steps:
        if step == "turn":
            while thread.loop.scheduled:
                with suppress(ValueError):
                    thread.loop.run_all()
            assert len(taken) == n_items
            continue
        if step == "add while taking" and thread.loop.scheduled and not to_come:
            to_come.append(n_items + 1)
            over.add_item(n_items)
            n_items += 2
            while thread.loop.scheduled:
                with suppress(ValueError):
                    thread.loop.run_all()
            continue
        if step == "fail":
            failing.add(n_items)
        over.add_item(n_items)
        n_items += 1
        assert len(thread.loop.scheduled) == 1
    while thread.loop.scheduled:
        with suppress(ValueError):
            thread.loop.run_all()
    assert sorted(taken) == list(range(n_items))
    if not failing and "add while taking" not in steps:
        assert taken == list(range(n_items))


def test_two_threads_lose_no_item_on_the_way_to_the_loop() -> None:
    thread, taken = LoopThread(), list[int]()
    over = HandOver(thread, taken.append)
    for number in range(20_000):
        over.add_item(number)
    thread.run_coroutine(answer)
    thread.close()
    assert taken == list(range(20_000))


def test_an_interrupt_while_an_item_is_handed_over_stops_no_later_one() -> None:
    thread, taken = StepThread(), list[int]()
    over = HandOver(cast(LoopThread, thread), taken.append)
    schedule = thread.loop.call_soon_threadsafe

    def interrupt(_: Callable[[], None]) -> None:
        raise KeyboardInterrupt

    thread.loop.call_soon_threadsafe = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        over.add_item(1)
    thread.loop.call_soon_threadsafe = schedule  # type: ignore[method-assign]
    over.add_item(2)
    thread.loop.run_all()
    assert taken == [1, 2]
