"""Repeat a step for ever, even after it has failed. A background loop that ends leaves its work undone, unseen."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from runtime.telemetry import log
from schemas.errors import EWMSError


async def repeat_forever(
    step: Callable[[], Awaitable[object]],
    *,
    every_s: float,
    failed: str,
    begins_with_pause: bool = False,
    warns: bool = True,
) -> NoReturn:
    """Call `step`, and again `every_s` seconds after each call has ended, until this task is cancelled.

    A call that fails is logged as `failed`: as a warning with the reason if a dependency is away or the like
    (`EWMSError`), else as an error with the traceback. The next call may go well. Where another loop warns of the same
    dependency, `warns` is False: then such a failure is logged for debugging only.
    """
    if begins_with_pause:
        await asyncio.sleep(every_s)
    while True:
        try:
            await step()
        except EWMSError as error:
            (log.warning if warns else log.debug)(failed, reason=error.reason)
        except Exception:  # noqa: BLE001 - an error of one call must not end the loop
            log.exception(failed)
        await asyncio.sleep(every_s)
