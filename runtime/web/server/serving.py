"""Serve an ASGI application with uvicorn, inside a process that also does other work."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import uvicorn
from starlette.types import ASGIApp

from runtime.hosts.certificates import ServerCertificate
from runtime.web.server.connections import ConnectionLimits
from runtime.web.server.guarded_protocol import GuardedConfig, GuardedProtocol
from schemas.errors import Unavailable

#: How long open requests may take after the process got the signal to stop.
_DRAIN_S = 10
_BACKLOG = 1024


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process handles signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve_app(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    protocol: type[GuardedProtocol] = GuardedProtocol,
    limits: ConnectionLimits | None = None,
    certificate: ServerCertificate | None = None,
) -> AsyncIterator[str]:
    """Serve `app` during the block, which gets the URL. After the block accept no request, and let open ones end.

    `protocol` handles HTTP/1.1. Port 0 means any free port. With a `certificate` the server speaks https.

    Raises:
        Unavailable: the address is in use, or is not an address of this machine.
        BadCertificate: the certificate cannot be used.
    """
    # uvicorn loads a certificate in its own task, where an error would stay unseen.
    context = None if certificate is None else certificate.make_context()
    limits = _limit_to_open_files(limits or ConnectionLimits())
    config = GuardedConfig(
        app,
        limits=limits,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Believe a forwarding header only from a trusted proxy.
        proxy_headers=bool(limits.trusted_proxies),
        forwarded_allow_ips=sorted(limits.trusted_proxies),
        timeout_graceful_shutdown=_DRAIN_S,
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    listener = _open_listener(host, port)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        actual: int = listener.getsockname()[1]
        scheme = "http" if context is None else "https"
        yield f"{scheme}://{f'[{host}]' if ':' in host else host}:{actual}"
    finally:
        server.should_exit = True
        await task
        listener.close()


def _limit_to_open_files(limits: ConnectionLimits) -> ConnectionLimits:
    """Return `limits` with fewer connections if needed: at most half of the files that this process may open."""
    n_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if n_files == resource.RLIM_INFINITY:
        return limits
    return replace(limits, max_connections=max(1, min(limits.max_connections, n_files // 2)))


def _open_listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Name the protocol: otherwise asyncio does not treat it as TCP, and Nagle's algorithm adds 40 ms to each answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}") from error
    # From here on the socket accepts connections, which wait for the server. So no client must ask whether it is up.
    listener.listen(_BACKLOG)
    return listener
