"""The event loop for the coroutine functions of steps. All share one loop, in a separate thread.

The worker's own loop talks to the broker. If a coroutine function blocks by mistake, it delays other coroutine
functions, but no report to WMS.
"""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ewms.loop_thread import LoopThread
from ewms.steps.step_scope import StepScope, enter_step


@dataclass(frozen=True)
class Awaited:
    """The end of a coroutine: its result, or the exception that it raised."""

    result: Any = None
    error: BaseException | None = None

    def unwrap(self) -> Any:
        """Return the result, or raise the exception."""
        if self.error is not None:
            raise self.error
        return self.result


class CoroutineLoop:
    """Runs coroutines in a thread. The thread starts with the first coroutine."""

    def __init__(self) -> None:
        self._thread: LoopThread | None = None
        #: The first coroutines may come from several threads at once.
        self._opening = threading.Lock()

    async def await_coroutine(self, work: Coroutine[Any, Any, Any], scope: StepScope) -> Awaited:
        """Run `work` within `scope`, and return its result or its exception. This blocks no thread."""
        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(_await_outcome(work, scope), self._open_thread().loop)
        )

    def run_coroutine(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run `work` on the loop, and wait for it in the calling thread. Return its result, or raise its exception."""
        loop = self._open_thread().loop
        return asyncio.run_coroutine_threadsafe(_await_outcome(work, None), loop).result().unwrap()

    def close(self) -> None:
        """Cancel the coroutines that still run, and end the thread."""
        with self._opening:
            if self._thread is not None:
                self._thread.close()

    def _open_thread(self) -> LoopThread:
        with self._opening:
            if self._thread is None:
                self._thread = LoopThread("coroutines")
            return self._thread


async def _await_outcome(work: Coroutine[Any, Any, Any], scope: StepScope | None) -> Awaited:
    with nullcontext() if scope is None else enter_step(scope):
        try:
            return Awaited(await work)
        except BaseException as error:  # noqa: BLE001 - a SystemExit would end the loop; the step gets it instead
            return Awaited(error=error)
