"""Choose loopback ports that nobody listens on."""

import secrets
import socket

# Below the kernel's ephemeral range (32768 and up on Linux), so that no outgoing connection takes a port
# between our choosing it and the server's binding it.
_RANGE = range(20_000, 32_000)


def free_ports(n_ports: int) -> list[int]:
    """Return `n_ports` distinct ports of 127.0.0.1 that could be bound just now."""
    chosen: list[int] = []
    held: list[socket.socket] = []
    try:
        while len(chosen) < n_ports:
            port = _RANGE[secrets.randbelow(len(_RANGE))]
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            held.append(listener)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            chosen.append(port)
    finally:
        for listener in held:
            listener.close()
    return chosen


def unavailable(port: int) -> str:
    """Return why nobody can listen on `port` of 127.0.0.1 just now; empty if somebody can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # As the servers do: what connections of the last minute have left behind is in nobody's way.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror or str(error)
    return ""
