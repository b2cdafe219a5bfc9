"""A process that is nothing but `runtime.process` and says what happens to it: `… plain_process KIND`."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from runtime.process import run_process
from runtime.settings import ServiceSettings
from runtime.web.health import health_routes, serve_routes
from schemas.errors import Rejected, Unavailable

KIND = sys.argv[1]


def say(word: str) -> None:
    """Tell the test."""
    print(word, flush=True)


@asynccontextmanager
async def life() -> AsyncIterator[None]:
    """Live as `KIND` has it."""
    match KIND:
        case "away":
            raise Unavailable("no broker")
        case "refused":
            raise Rejected("bad credentials")
        case "defect":
            raise ZeroDivisionError("surprise")
        case "waits":
            say("waiting")
            await asyncio.Event().wait()
    async with serve_routes(health_routes({}), host="127.0.0.1", port=0) as url:
        say(url)
        try:
            yield
        finally:
            say("draining")
            if KIND == "slow":
                await asyncio.sleep(60)
            if KIND == "counts":
                say(str(gc.get_freeze_count()))
            say("drained")


def build() -> AbstractAsyncContextManager[None]:
    """Return the life, once the environment is right."""
    if KIND == "misconfigured":
        ServiceSettings()
    return life()


if __name__ == "__main__":
    run_process(build, service=KIND)
