"""Begin a step's function soon after the check that its order is still lent to this worker, or not at all.

Between that check and the function, the order goes to another thread. If the process is stopped in between, the broker
may give the order to another worker meanwhile.
"""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

#: Before the broker gives an order to another worker, this connection has been silent for at least 15 s.
_LONGEST_WAIT_S = 3.0


class StartedLate(Exception):
    """The thread of a step began long after the check. It has not called the step's function."""


class PromptStart:
    """The time that has passed since the check."""

    def __init__(self) -> None:
        self._checked_at = time.monotonic()

    def require(self) -> None:
        """Return if the check was made within the last 3 s.

        Raises:
            StartedLate: it was made before.
        """
        if time.monotonic() - self._checked_at > _LONGEST_WAIT_S:
            raise StartedLate


def begin_promptly(start: PromptStart, call: Callable[[], _T]) -> Callable[[], _T]:
    """Return a function for another thread: it calls `call`, or raises `StartedLate` if it begins too late."""

    def begin() -> _T:
        start.require()
        return call()

    return begin
