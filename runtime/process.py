"""Run a process from start to end: build it, run until a signal, finish its work, exit.

    0    stopped by a signal        2    the environment is wrong
    1    a defect                   75   a dependency did not answer at the start, or the drain ran out of time

SIGTERM and SIGINT stop the process: it closes its parts in reverse order, and each part finishes its work. At a second
signal the process exits at once.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from pydantic import ValidationError

from runtime.free_memory import return_large_blocks
from runtime.settings import LogSettings, explain_error
from runtime.telemetry import configure_logging, log, note_build
from runtime.telemetry.span_export import start_export, stop_export
from schemas.errors import EWMSError, Rejected, Unavailable

#: For how many seconds the process may finish its work after a signal. Then it exits.
GRACE_S = 30.0

EXIT_BROKEN, EXIT_MISCONFIGURED, EXIT_UNAVAILABLE = 1, 2, 75


def run_process(build: Callable[[], AbstractAsyncContextManager[object]], *, service: str) -> None:
    """Run the context that `build` returns until a signal comes, and exit with the exit code. This never returns."""
    return_large_blocks()
    try:
        settings = LogSettings()
        configure_logging(service=service, level=settings.log_level, format=settings.log_format)
        note_build(service)
        start_export(service, settings.otel_endpoint)
        context = build()
    except ValidationError as error:
        sys.stderr.write(f"{service} cannot start: {explain_error(error).reason}\n")
        sys.exit(EXIT_MISCONFIGURED)
    except Rejected as error:
        sys.stderr.write(f"{service} cannot start: {error.reason}; {error.hint}\n")
        sys.exit(EXIT_MISCONFIGURED)
    code = asyncio.run(_run_until_told(context))
    stop_export()
    sys.exit(code)


async def _run_until_told(context: AbstractAsyncContextManager[object]) -> int:
    stop = asyncio.Event()
    body = asyncio.current_task()
    assert body is not None
    started = False

    def handle_signal(number: signal.Signals) -> None:
        if stop.is_set():
            log.warning("second signal: exiting at once", signal=number.name)
            os._exit(128 + number)
        log.info("stopping", signal=number.name)
        stop.set()
        if not started:
            body.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle_signal, number)
    try:
        async with context:
            started = True
            _keep_objects_of_the_start()
            await stop.wait()
            # Set the limit outside of the drain: a dependency that hangs must not keep the process running.
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
    except Exception:  # noqa: BLE001 - the process ends here: log any error, and make it an exit code
        log.exception("a defect ended the process")
        return EXIT_BROKEN
    log.info("stopped")
    return 0


def _keep_objects_of_the_start() -> None:
    """Exempt modules, models and routes from garbage collection: they stay until the end.

    WMS has 140 000 such objects. Each full collection would look at all of them, and stop the process for 0.1 s.
    """
    gc.collect()
    gc.freeze()


def _give_up() -> None:
    log.error("stopping took too long: exiting without finishing", grace_s=GRACE_S)
    os._exit(EXIT_UNAVAILABLE)
