"""End processes with the block that started them: a launch's children, a download's helper programs."""

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class LifetimeOver(Exception):
    """The block has ended, so no further process can start."""


class Lifetimes(ABC, Generic[T]):
    """The processes of one block. The end of the block kills those that still run, newest first. Then none can
    start.
    """

    def __init__(self) -> None:
        self._running: list[T] = []
        self._lock = threading.Lock()
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_all()

    def kill_all(self) -> None:
        """Kill every running process, newest first. A thread that waits for such a process sees its end, and can start
        no other.
        """
        with self._lock:
            self._is_over = True
            running = list(self._running)
        for one in reversed(running):
            self._kill_one(one)

    @abstractmethod
    def _kill_one(self, one: T) -> None:
        """Kill `one`."""

    def _start_one(self, start: Callable[[], T]) -> T:
        """Call `start`, which starts a process, and return that process. The end of the block kills it.

        Raises:
            LifetimeOver: the block has ended.
        """
        with self._lock:
            if self._is_over:
                raise LifetimeOver
            one = start()
            self._running.append(one)
        return one

    def _forget_one(self, one: T) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._running.remove(one)
