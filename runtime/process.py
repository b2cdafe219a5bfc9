"""A process from start to end: build, run until told to stop, drain, exit.

    0    stopped as told            2    the environment is wrong
    1    a defect                   75   a dependency did not answer at the start, or the drain ran out of time

SIGTERM and SIGINT stop the process: it takes down what it built in reverse, and finishes what it began. At a second
signal it exits at once.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from pydantic import ValidationError

from runtime.free_memory import return_large_blocks
from runtime.settings import LogSettings, explain_error
from runtime.telemetry import configure_logging, log
from schemas.errors import EWMSError, Rejected, Unavailable

#: How long the drain may take before the process goes all the same.
GRACE_S = 30.0

EXIT_BROKEN, EXIT_MISCONFIGURED, EXIT_UNAVAILABLE = 1, 2, 75


def run_process(build: Callable[[], AbstractAsyncContextManager[object]], *, service: str) -> None:
    """Run what `build` returns until a signal, and end the process with its exit code. Never returns."""
    return_large_blocks()
    try:
        settings = LogSettings()
        configure_logging(service=service, level=settings.log_level, format=settings.log_format)
        context = build()
    except ValidationError as error:
        sys.stderr.write(f"{service} cannot start: {explain_error(error).reason}\n")
        sys.exit(EXIT_MISCONFIGURED)
    sys.exit(asyncio.run(_run_until_told(context)))


async def _run_until_told(context: AbstractAsyncContextManager[object]) -> int:
    stop = asyncio.Event()
    body = asyncio.current_task()
    assert body is not None
    started = False

    def told(number: signal.Signals) -> None:
        if stop.is_set():
            log.warning("told to stop twice: going at once", signal=number.name)
            os._exit(128 + number)
        log.info("stopping", signal=number.name)
        stop.set()
        if not started:
            body.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
    try:
        async with context:
            started = True
            await stop.wait()
            # The limit stands outside of the drain: a dependency that hangs must not keep the process.
            loop.call_later(GRACE_S, _give_up)
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    except Unavailable as error:
        log.error("cannot go on: a dependency is away", reason=error.reason, hint=error.hint)
        return EXIT_UNAVAILABLE
    except Rejected as error:
        log.error("cannot start", reason=error.reason, hint=error.hint)
        return EXIT_MISCONFIGURED
    except EWMSError as error:
        log.error("cannot go on", reason=error.reason, hint=error.hint)
        return EXIT_BROKEN
    except Exception:  # noqa: BLE001 - the last line of the process: whatever it is, it is logged and becomes an exit code
        log.exception("a defect ended the process")
        return EXIT_BROKEN
    log.info("stopped")
    return 0


def _give_up() -> None:
    log.error("the drain took too long: going without it", grace_s=GRACE_S)
    os._exit(EXIT_UNAVAILABLE)
