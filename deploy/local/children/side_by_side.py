"""Start several servers or processes at once, each start in a thread of its own."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from types import TracebackType
from typing import TypeVar, cast

from deploy.local.children.processes import LaunchedProcesses

T = TypeVar("T")


class ParallelStarts:
    """Starts that run in threads of their own. The end of the block waits for all of them.

    If a start fails, or the block raises, kill all of `children` and raise that error.
    """

    def __init__(self, children: LaunchedProcesses) -> None:
        self._children = children
        self._pool = ThreadPoolExecutor(thread_name_prefix="start")
        self._futures: list[Future[object]] = []

    def __enter__(self) -> "ParallelStarts":
        return self

    def begin(self, start: Callable[[], T]) -> "Future[T]":
        """Call `start` in a thread, and return the future of its result."""
        future = self._pool.submit(start)
        self._futures.append(cast("Future[object]", future))
        return future

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                raise error
            for future in as_completed(self._futures):
                future.result()
        except BaseException:
            # The threads end soon, because each sees its child die.
            self._children.kill_all()
            raise
        finally:
            self._pool.shutdown()
