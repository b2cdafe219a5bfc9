"""Handle Ctrl-C (SIGINT) so that each command ends with status 130 and loses nothing.

Python raises KeyboardInterrupt between any two instructions. That is right for most commands, which hold nothing that
could be lost. A command that holds events asks for a call instead (`leave_on_interrupt`), and ends its loop by itself.

A second Ctrl-C ends the process at once. That loses nothing either: no event is acknowledged before it is written.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

#: A terminal, `timeout` or `make` may send one Ctrl-C as two signals. They come within this time.
_SAME_S = 1.0

_INTERRUPTED = 128 + signal.SIGINT


class Interrupts:
    """Handles SIGINT while the `ewms` command runs: it raises KeyboardInterrupt once, and never after
    `stop_raising`.
    """

    def __init__(self, *, is_whole_process: bool) -> None:
        #: Whether the process ends after the command. The handler then stays until the interpreter is gone.
        self._is_whole_process = is_whole_process
        self._is_installed = False
        self._asked_at: float | None = None
        self._status: int | None = None

    @property
    def was_asked(self) -> bool:
        """Whether a Ctrl-C has come. A later error is a consequence of the interrupt."""
        return self._asked_at is not None

    def __enter__(self) -> Self:
        self._is_installed = _can_replace_handler()
        if self._is_installed:
            signal.signal(signal.SIGINT, self._handle_signal)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_installed and not self._is_whole_process:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def stop_raising(self, status: int) -> None:
        """From now on, end the process with `status` at a Ctrl-C: the command is over."""
        self._status = status

    def _handle_signal(self, *_: object) -> None:
        if self._status is not None:
            if self._is_whole_process:
                os._exit(self._status)
            return
        is_first, self._asked_at = _is_first(self._asked_at)
        if is_first:
            raise KeyboardInterrupt


@contextmanager
def leave_on_interrupt(*leave: Callable[[], None]) -> Iterator[None]:
    """At a Ctrl-C within the block, call each of `leave`. At the end of the block, raise KeyboardInterrupt then.

    The calls must make the block end soon. They run between any two instructions of the block.
    """
    if not _can_replace_handler():
        yield
        return
    asked_at: float | None = None

    def handle_signal(_: int, __: FrameType | None) -> None:
        nonlocal asked_at
        is_first, asked_at = _is_first(asked_at)
        if is_first:
            for call in leave:
                call()

    before = signal.signal(signal.SIGINT, handle_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if asked_at is not None:
            raise KeyboardInterrupt


def _is_first(asked_at: float | None) -> tuple[bool, float]:
    """Return whether this Ctrl-C is the first, and when the first came. End the process at the second."""
    now = time.monotonic()
    if asked_at is None:
        return True, now
    if now - asked_at >= _SAME_S:
        os._exit(_INTERRUPTED)
    return False, asked_at


def _can_replace_handler() -> bool:
    """Return whether we may handle SIGINT: this is the main thread, and `nohup` or a shell's `&` has not switched
    SIGINT off.
    """
    return threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) not in (
        signal.SIG_IGN,
        signal.SIG_DFL,
        None,
    )
