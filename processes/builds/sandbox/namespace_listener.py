"""Open a socket that listens inside of another process's network: `python namespace_listener.py PID PORT FD`.

The program enters the user namespace and the network of process PID, listens there on PORT of 127.0.0.1, and sends the
listening socket through the socket FD. It imports nothing of EWMS and no site-packages.
"""

import ctypes
import os
import socket
import sys
import time

#: How long the sandbox may take until its loopback is up.
_PATIENCE_S = 10.0


def main(pid: int, port: int, descriptor: int) -> int:
    """Send the listening socket, and return the exit status."""
    libc = ctypes.CDLL(None, use_errno=True)
    for kind in ("user", "net"):
        namespace = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
        if libc.setns(namespace, 0):
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter the {kind} namespace: {os.strerror(number)}")
    ends_at = time.monotonic() + _PATIENCE_S
    while True:
        try:
            server = socket.create_server(("127.0.0.1", port))
            break
        except OSError:
            if time.monotonic() >= ends_at:
                raise
            # Loopback comes up soon, and the namespace gives no notice of it.
            time.sleep(0.02)
    socket.send_fds(socket.socket(fileno=descriptor), [b"."], [server.fileno()])
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
