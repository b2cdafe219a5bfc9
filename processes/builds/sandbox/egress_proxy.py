"""The one way out of a build's network: a proxy for HTTP and HTTPS that reaches only the hosts of a list.

    RUN ─► 127.0.0.1:3128 in the sandbox ─► this proxy, in the worker ─► an allowed host

The sandbox has a network of its own with nothing but its loopback. The listening socket belongs to that network, the
proxy's connections belong to the machine's.
"""

import contextlib
import json
import os
import select
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.sandbox import namespace_listener
from processes.builds.sandbox.proxy_requests import RequestRefused, read_request

PORT = 3128
#: What programs read to find the proxy.
ENVIRONMENT = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), f"http://127.0.0.1:{PORT}")

_START_S = 30.0
_MAX_HEAD_BYTES = 16_384
_MAX_CONNECTIONS = 64
_PATIENCE_S = 60.0
_CHUNK = 65_536


class EgressGate:
    """The proxy of one sandbox. The sandboxed program starts only when the proxy listens."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        """`hosts` are patterns of the hosts that the program may reach."""
        self._hosts = hosts
        self._info, info_fd = os.pipe()
        block_fd, self._block = os.pipe()
        #: The descriptors for bubblewrap: it says its pid on the first, and waits for the second.
        self.sandbox_fds = {"info_fd": info_fd, "block_fd": block_fd}

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Serve the proxy during the block.

        Raises:
            BuildFailed: the sandbox did not start, or its network cannot be entered.
        """
        with _open_listener(_read_pid(self._info)) as listener:
            server = threading.Thread(target=_accept_all, args=(listener, self._hosts), name="egress", daemon=True)
            server.start()
            os.write(self._block, b".")
            try:
                yield
            finally:
                # This also ends a thread that waits for a connection.
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                server.join()

    def close(self) -> None:
        """Close the descriptors."""
        for descriptor in (self._info, self._block, *self.sandbox_fds.values()):
            os.close(descriptor)


def _read_pid(info: int) -> int:
    told = b""
    while select.select([info], [], [], _START_S)[0] and (chunk := os.read(info, 4096)):
        told += chunk
        with contextlib.suppress(ValueError):
            return int(json.loads(told)["child-pid"])
    raise BuildFailed("the build's sandbox did not start; rebuild the task")


def _open_listener(pid: int) -> socket.socket:
    ours, its = socket.socketpair()
    with ours, its:
        done = subprocess.run(
            [sys.executable, "-I", "-S", namespace_listener.__file__, str(pid), str(PORT), str(its.fileno())],
            pass_fds=(its.fileno(),),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_S,
            cwd=Path("/"),
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
            raise BuildFailed(f"the build's network cannot be opened: {last}; rebuild the task")
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    return socket.socket(fileno=descriptors[0])


def _accept_all(listener: socket.socket, hosts: tuple[str, ...]) -> None:
    room = threading.BoundedSemaphore(_MAX_CONNECTIONS)
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        if not room.acquire(blocking=False):
            client.close()
            continue
        threading.Thread(target=_serve_client, args=(client, hosts, room), name="egress client", daemon=True).start()


def _serve_client(client: socket.socket, hosts: tuple[str, ...], room: threading.BoundedSemaphore) -> None:
    try:
        with client, contextlib.suppress(OSError):
            client.settimeout(_PATIENCE_S)
            head, rest = _read_head(client)
            try:
                request = read_request(head, hosts)
                server = socket.create_connection((request.host, request.port), timeout=_PATIENCE_S)
            except RequestRefused as error:
                client.sendall(f"HTTP/1.1 403 {error}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                return
            except OSError:
                client.sendall(
                    b"HTTP/1.1 502 the host cannot be reached\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            with server:
                if request.head:
                    server.sendall(request.head + rest)
                else:
                    client.sendall(b"HTTP/1.1 200 connected\r\n\r\n")
                    server.sendall(rest)
                _relay(client, server)
    finally:
        room.release()


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    told = b""
    while b"\r\n\r\n" not in told and len(told) < _MAX_HEAD_BYTES and (chunk := client.recv(4096)):
        told += chunk
    head, _, rest = told.partition(b"\r\n\r\n")
    return head, rest


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until one side closes, or both are silent for a minute."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while ready := selector.select(_PATIENCE_S):
            for key, _ in ready:
                source = key.fileobj
                assert isinstance(source, socket.socket)
                if not (chunk := source.recv(_CHUNK)):
                    return
                key.data.sendall(chunk)
