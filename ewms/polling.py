"""Pause between the questions of a loop that asks the gateway again and again."""

import asyncio

from ewms.errors import TimedOut

#: The pauses (seconds) between two questions to the gateway: short at first, then one second.
_FIRST_LOOK_S = 0.02
_LAST_LOOK_S = 1.0


class Polling:
    """The pauses of a loop that asks the gateway again and again. The pauses end when the timeout is over.

    The first pause is 20 ms, each further pause 1.5 times as long, up to 1 s. If `timeout_s` is None, there is no
    timeout.
    """

    def __init__(self, timeout_s: float | None, waiting_for: str) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = None if timeout_s is None else loop.time() + timeout_s
        self._timeout_s = timeout_s
        self._waiting_for = waiting_for
        self._pause_s = _FIRST_LOOK_S

    async def wait_for_next(self) -> None:
        """Wait until it is time to ask again.

        Raises:
            TimedOut: the timeout is over.
        """
        left = float("inf") if self._deadline is None else self._deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise TimedOut(f"{self._waiting_for}: not within {self._timeout_s:g} s")
        await asyncio.sleep(min(self._pause_s, left))
        self._pause_s = min(self._pause_s * 1.5, _LAST_LOOK_S)
