"""Run an event loop in a thread of its own, so that synchronous code can run coroutines."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _LoopRun(Generic[T]):
    """One coroutine on its way through the loop, and the future that its caller waits for."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self.future: Future[T] = Future()
        self._make = make
        self._task: asyncio.Task[T] | None = None

    def start(self) -> None:
        try:
            work = self._make()
        except Exception as error:  # noqa: BLE001 - the caller gets every error
            # Python checks arguments when it makes the coroutine.
            self.future.set_exception(error)
            return
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._pass_on)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _pass_on(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.future.cancel()
        elif (error := task.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(task.result())


class LoopThread:
    """A running event loop. All coroutines of one client run on it, because its connections belong to one loop."""

    def __init__(self, name: str = "ewms client") -> None:
        self.loop = asyncio.new_event_loop()
        # Use a daemon thread, so that a program can end without closing its client.
        self._thread = threading.Thread(target=self._run_loop, name=name, daemon=True)
        self._thread.start()

    def run_coroutine(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run the coroutine that `make` returns on the loop, wait for it, and return its result.

        An interrupt (Ctrl-C) here cancels the coroutine there. The loop's own thread calls `make`: an interrupt in the
        caller's thread would otherwise find a coroutine that was never started.

        Raises:
            RuntimeError: the caller is the loop's own thread, or `close` was called before.
        """
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            raise RuntimeError("the client is closed, or used from within its own loop")
        run = _LoopRun(make)
        try:
            self.loop.call_soon_threadsafe(run.start)
            return run.future.result()
        except BaseException:
            # `result` may raise KeyboardInterrupt while the coroutine still runs.
            self.call_soon(run.cancel)
            raise

    def call_soon(self, call: Callable[[], None]) -> None:
        """Schedule `call` on the loop, and return at once. After `close` this does nothing."""
        # A closed loop raises RuntimeError; it may be closed at any moment, so a check before would not help.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(call)

    def run_iterator(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yield what `items` yields; each next item is fetched on the loop."""

        async def next_one() -> tuple[T, ...]:
            # A future does not carry StopAsyncIteration; an empty tuple says that the items are over.
            try:
                return (await anext(items),)
            except StopAsyncIteration:
                return ()

        while got := self.run_coroutine(next_one):
            yield got[0]

    def close(self) -> None:
        """Cancel what still runs on the loop, then stop the loop and its thread. A second call does nothing."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()


class HandOver(Generic[T]):
    """Hands items from another thread over to the loop, in their order. One wake-up of the loop serves all items since
    the last one.
    """

    def __init__(self, portal: LoopThread, take: Callable[[T], None]) -> None:
        """`take` is called on the loop with each item."""
        self._loop = portal.loop
        self._take = take
        self._items: deque[T] = deque()
        self._is_scheduled = False

    def add_item(self, item: T) -> None:
        """Hand `item` over, and return at once.

        Raises:
            RuntimeError: the loop is closed.
        """
        self._items.append(item)
        if self._is_scheduled:
            return
        try:
            self._is_scheduled = True
            self._loop.call_soon_threadsafe(self._take_items)
        except BaseException:
            # An interrupt (Ctrl-C) may come between the two lines. Without this, no later item would wake the loop.
            self._is_scheduled = False
            raise

    def _take_items(self) -> None:
        # Reset before the first item is taken. An item that comes from here on is either taken below, or `add_item`
        # schedules a new wake-up for it.
        self._is_scheduled = False
        try:
            while self._items:
                self._take(self._items.popleft())
        finally:
            if self._items:  # `take` has raised an error
                self._loop.call_soon(self._take_items)
