"""Things that run no longer than the block that they belong to: a launch's children, a download's helper programs."""

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class LifetimeOver(Exception):
    """The block has ended; nothing can start in it any more."""


class Lifetimes(ABC, Generic[T]):
    """The things that run within one block. At its end the rest is killed, newest first, and nothing starts later."""

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
        """Kill all that runs. A thread that waits for one sees it fail, and starts no other."""
        with self._lock:
            self._is_over = True
            running = list(self._running)
        for one in reversed(running):
            self._kill_one(one)

    @abstractmethod
    def _kill_one(self, one: T) -> None:
        """End `one` at once."""

    def _start_one(self, start: Callable[[], T]) -> T:
        """Return what `start` started. It now lives no longer than the block.

        Raises:
            Over: the block has ended.
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
