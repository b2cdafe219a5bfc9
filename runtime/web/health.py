"""Answer operators' requests: is the process running, is it ready, and what are its metrics.

GET /healthz   200 as long as the process runs
GET /readyz    200 when every dependency answers, else 503; the body names each: {"mongodb": "ok", "control": "…"}
GET /metrics   Prometheus text, prefix `ewms_`
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from runtime.concurrency.shared_work import SharedWork
from runtime.hosts.certificates import ServerCertificate
from runtime.telemetry import fresh_gauge
from runtime.web.server.serving import serve_app
from schemas.errors import EWMSError, Unavailable

#: Returns if a dependency answers, and raises an `EWMSError` if it does not.
Check = Callable[[], Awaitable[object]]

#: A dependency that does not answer for this many seconds counts as away.
_PATIENCE_S = 4.0

_OK = "ok"

_dependency_up = fresh_gauge(
    "dependency_up", "1 if the dependency answered at the last scrape, else 0; /readyz says why.", ["dependency"]
)


class StandbyState:
    """Whether a process that may stand by for another one is ready: it has started, or it stands by."""

    def __init__(self, name: str) -> None:
        """`name` is the service."""
        self._name = name
        self._is_ready = False

    def stand_by(self) -> None:
        """Note that another process works. This one is ready to take over."""
        self._is_ready = True

    def begin_start(self) -> None:
        """Note that this process begins to work, and is not ready yet."""
        self._is_ready = False

    async def check_started(self) -> None:
        """Return if the process is ready.

        Raises:
            Unavailable: it is starting.
        """
        if not self._is_ready:
            raise Unavailable(f"{self._name} is starting")


def health_routes(checks: Mapping[str, Check]) -> list[BaseRoute]:
    """Return the three routes. The keys of `checks` are the names of dependencies.

    Requests that come during a check share its result. So many requests cause only one check. The metrics show the
    result, too: `ewms_dependency_up`.
    """
    shared = SharedWork(kept_for_s=0.0)

    async def check_dependencies() -> dict[str, str]:
        return await shared.find_result("dependencies", lambda: _check_all(checks))

    async def healthz(_: Request) -> Response:
        return JSONResponse({})

    async def readyz(_: Request) -> Response:
        words = await check_dependencies()
        return JSONResponse(words, status_code=200 if all(word == _OK for word in words.values()) else 503)

    async def metrics(_: Request) -> Response:
        words = await check_dependencies()
        _dependency_up.replace_values({(name,): float(word == _OK) for name, word in words.items()})
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def _check_all(checks: Mapping[str, Check]) -> dict[str, str]:
    # Copy the checks: a process that is starting changes them.
    named = dict(checks)
    words = await asyncio.gather(*(_check_one(check) for check in named.values()))
    return dict(zip(named, words, strict=True))


async def _check_one(check: Check) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await check()
    except EWMSError as error:
        return error.reason
    except TimeoutError:
        return f"no answer within {_PATIENCE_S:g} s"
    return _OK


def serve_routes(
    routes: Sequence[BaseRoute], *, host: str, port: int, certificate: ServerCertificate | None = None
) -> AbstractAsyncContextManager[str]:
    """Serve `routes` during the block, and give the block the URL. This is for a process without other HTTP routes.

    Raises:
        Unavailable: the address is in use, or is not an address of this machine.
        BadCertificate: the certificate cannot be used.
    """
    return serve_app(Starlette(routes=list(routes)), host=host, port=port, certificate=certificate)
