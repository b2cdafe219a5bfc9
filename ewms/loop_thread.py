"""An event loop in a thread of its own, through which synchronous code runs coroutines."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Portal:
    """A running loop. Every coroutine of one client runs here, so that its connections belong to one loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        # A daemon: a program that ends without closing its client must end.
        self._thread = threading.Thread(target=self._run, name="ewms client", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` and return its result; an interrupt here cancels it there.

        Raises:
            RuntimeError: called on the loop's own thread, or after `close`.
        """
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            work.close()
            raise RuntimeError("the client is closed, or used from within its own loop")
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            # KeyboardInterrupt comes out of `result` while the work goes on.
            future.cancel()
            raise

    def post(self, call: Callable[[], None]) -> None:
        """Have `call` called on the loop soon; after `close` nothing is."""
        # The loop may be closed between looking and calling.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(call)

    def each(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yield what `items` yields."""

        async def next_one() -> tuple[T, ...]:
            # StopAsyncIteration would not come through the future as itself.
            try:
                return (await anext(items),)
            except StopAsyncIteration:
                return ()

        while got := self.call(next_one()):
            yield got[0]

    def close(self) -> None:
        """Stop the loop once what still runs there has been cancelled."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()

    def _run(self) -> None:
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
