"""Background loops. They go on after any error, because otherwise an ended loop would go unnoticed.

A loop calls its step at once, then whenever it is woken, and at the latest when the step asked for:

    step -> a number: call again after so many seconds, or sooner if woken
    step -> None: call again after `every_s`, or sooner if woken; without `every_s` only if woken
    step raises: log the error, pause, call again
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Literal, NoReturn

from runtime.amqp import full_jitter
from runtime.telemetry import log
from schemas.errors import EWMSError, Unavailable

Step = Callable[[], Awaitable[float | None]]

#: Takes the number of earlier failures in a row, and returns how many seconds to pause after one more failure.
BackOff = Callable[[int], float]


def jittered_up_to(cap_s: float) -> BackOff:
    """Return a back-off whose random pauses grow (the limit doubles) up to `cap_s` seconds."""
    return partial(full_jitter, cap_s=cap_s)


class BackgroundLoop:
    """Calls `step` again and again, until `stop`.

    The first call comes after `begins_after_s` seconds, and each later one after `every_s` seconds, or sooner after
    `wake`. Between two calls the loop waits at least `rest_s` seconds.

    After a failure the loop waits as long as `back_off` says, and `wake` does not shorten that wait. Without `back_off`
    the loop waits `every_s` seconds; without both, a random time of up to 15 s. The loop logs the failure under the
    text `failed`, with `details`: at `level` if a dependency is away, as a warning after another error of ours, and as
    an error with the traceback after any other exception.
    """

    def __init__(
        self,
        step: Step,
        *,
        name: str,
        failed: str,
        every_s: float | None = None,
        rest_s: float = 0.0,
        begins_after_s: float = 0.0,
        back_off: BackOff | None = None,
        level: Literal["debug", "info", "warning"] = "warning",
        details: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        self._step = step
        self._name = name
        self._failed = failed
        self._every_s = every_s
        self._rest_s = rest_s
        self._begins_after_s = begins_after_s
        self._back_off = back_off or (jittered_up_to(15.0) if every_s is None else lambda _: every_s)
        self._level = level
        self._details = details
        self._woken = asyncio.Event()
        self._task: asyncio.Task[NoReturn] | None = None

    def start(self) -> None:
        """Run the loop as a task of its own."""
        self._task = asyncio.create_task(self.run(), name=self._name)

    async def stop(self) -> None:
        """Cancel the loop and a running call of the step, and return once both have ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Call the step soon. If the step is running, it is called once more after that."""
        self._woken.set()

    async def run(self) -> NoReturn:
        """Call the step again and again, until this task is cancelled. Log the error of a call, and go on."""
        await asyncio.sleep(self._begins_after_s)
        n_failures = 0
        while True:
            self._woken.clear()
            try:
                asked_s = await self._step()
                n_failures = 0
            except Exception as error:  # noqa: BLE001 - an error of one call must not end the loop
                self._log_failure(error)
                await asyncio.sleep(self._back_off(n_failures) + self._rest_s)
                n_failures += 1
                continue
            if self._rest_s:
                await asyncio.sleep(self._rest_s)
            await self._wait_until_woken(self._every_s if asked_s is None else asked_s)

    def _log_failure(self, error: Exception) -> None:
        if not isinstance(error, EWMSError):
            log.error(self._failed, exc_info=error, **self._details())
            return
        write = getattr(log, self._level) if isinstance(error, Unavailable) else log.warning
        write(self._failed, reason=error.reason, **self._details())

    async def _wait_until_woken(self, timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            pass
