"""An event loop whose time stands still while anything runs, and jumps to the next timer once nothing does."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for no file longer than a moment: a wait for the next timer moves the clock instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.now_s += max(0.0, timeout)
        return ready


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def run_on_fake_clock(main: Coroutine[Any, Any, Result]) -> Result:
    """Run `main` on a loop with a clock of its own, which begins at 0, and return its result."""
    with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
        return runner.run(main)
