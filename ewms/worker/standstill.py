"""Notice that this process stood still: the process, or its machine, was stopped. Its orders may be lost then.

An order that had arrived before a standstill is read after it, and looks new. The broker may have given it to another
worker.
"""

import asyncio

from runtime.concurrency.loops import BackgroundLoop

#: How often the clock ticks, in seconds, and how late a tick is after a standstill.
_TICK_S = 0.5
_STANDSTILL_S = 1.0
#: For so long after a standstill an order may have arrived before it.
_DOUBT_S = 5.0


class StandstillClock:
    """A clock that ticks while the event loop runs. A late tick shows a standstill."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ticked_at = self._loop.time()
        self._stood_until = float("-inf")
        self._ticks = BackgroundLoop(
            self._tick, name="standstill clock", failed="the standstill clock does not tick", every_s=_TICK_S
        )

    def start(self) -> None:
        """Begin to tick."""
        self._ticks.start()

    async def stop(self) -> None:
        """Stop ticking."""
        await self._ticks.stop()

    def has_stood_still(self) -> bool:
        """Return whether this process has stood still within the last 5 s."""
        return self._note_time() - self._stood_until < _DOUBT_S

    async def _tick(self) -> None:
        self._ticked_at = self._note_time()

    def _note_time(self) -> float:
        now = self._loop.time()
        if now - self._ticked_at > _TICK_S + _STANDSTILL_S:
            self._stood_until = now
        return now
