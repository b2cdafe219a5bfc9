"""Choose free loopback ports. A system gets the same ports at each start if they are free."""

import contextlib
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from deploy.local.errors import LaunchError, PortTaken

# Below the kernel's ephemeral range (32768 and up on Linux), so that no outgoing connection takes a port
# between our choosing it and the server's binding it.
_RANGE = range(20_000, 32_000)


#: Ports in addresses that users hold: the gateway, the queues, and the issuer in tokens. Values: the variable to set.
_GIVEN_OUT = {"gateway": "EWMS_GATEWAY_PORT", "amqp": "EWMS_AMQP_PORT", "issuer": ""}
#: The servers of a killed launcher may run this long after it.
_PREDECESSOR_S = 5.0


class Ports:
    """The ports of one system, by name: those of its last launch, and new ones where it had none."""

    def __init__(
        self,
        kept: Mapping[str, int] | None = None,
        *,
        asked: Mapping[str, int] | None = None,
        are_given_out: bool = False,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`kept` are the ports of the last launch. `asked` are the ports that the user has chosen; they override
        `kept`.

        If `are_given_out`, users may know the kept ports, so those of the gateway, the broker and the issuer must not
        change.
        """
        self._current = {**(kept or {}), **(asked or {})}
        self._kept = dict(kept or {})
        self._fixed = {
            *(asked or {}),
            *(name for name in self._kept if are_given_out and _first_name(name) in _GIVEN_OUT),
        }
        self._report = report
        self._lock = threading.Lock()

    @property
    def current(self) -> Mapping[str, int]:
        """All ports chosen so far, by name."""
        return dict(self._current)

    def take_ports(self, names: Iterable[str]) -> dict[str, int]:
        """Choose a port for each of `names`, and return name -> port. All of these ports are free at the moment.

        Raises:
            LaunchError: another process listens on a port that must not change; the error names the process.
        """
        with self._lock:
            for name in names:
                port = self._current.get(name)
                if port is None or not self._is_free(name, port):
                    self._current[name] = self._choose_port()
            return {name: self._current[name] for name in names}

    def take_one(self, name: str) -> int:
        """Choose a port for the server `name`, and return the port. It is free at the moment.

        Raises:
            LaunchError: another process listens on a port that must not change; the error names the process.
        """
        return self.take_ports((name,))[name]

    def _is_free(self, name: str, port: int) -> bool:
        is_known = name in self._kept or name in self._fixed
        if not (reason := await_free(port) if is_known else why_unavailable(port)):
            return True
        if name in self._fixed:
            raise _taken_port_error(name, port, reason)
        if is_known:
            self._report(f"{find_holder(port)} uses port {port} ({name}); taking another port")
        return False

    def _choose_port(self) -> int:
        taken = {*self._kept.values(), *self._current.values()}
        while (port := free_ports(1)[0]) in taken:
            continue
        return port


def _first_name(name: str) -> str:
    """Return the name of the first of several: users know the addresses of all of them."""
    return re.sub(r"-[0-9]+$", "", name)


def await_free(port: int) -> str:
    """Wait up to 5 s until `port` is free. Return "" if it is free, else the reason why no process can listen on it."""
    deadline = time.monotonic() + _PREDECESSOR_S
    while (reason := why_unavailable(port)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return reason


def _taken_port_error(name: str, port: int, reason: str) -> LaunchError:
    # The variables choose ports of first instances only.
    variable = _GIVEN_OUT.get(name, "")
    return LaunchError(
        f"cannot listen on port {port}, where users of this system know its {name} ({reason}): "
        f"{find_holder(port)} uses it",
        "end that process"
        + (f", or choose a port with {variable}=<number>" if variable else "")
        + "; or start with empty data (FRESH=1), or with other data (DATA=<directory>)",
    )


def check_free(ports: Mapping[str, int]) -> None:
    """Check that every port in `ports` is free. The keys are the servers' names.

    Raises:
        PortTaken: another process listens on one of the ports; the error names the process.
    """
    for name, port in ports.items():
        if reason := why_unavailable(port):
            raise PortTaken(f"{find_holder(port)} uses port {port} ({name}): {reason}", "end that process")


def find_holder(port: int) -> str:
    """Return the process that listens on `port` in words: its pid and name if this user may see them."""
    inodes = _listening_sockets(port)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if inodes & _open_sockets(entry):
                    return f"process {entry.name} ({(entry / 'comm').read_text().strip()})"
    # If nothing listens there any more, the holder has ended during the search, so nobody knows whose it was.
    return "a process of another user" if inodes & _listening_sockets(port) else "another process"


def _open_sockets(process: Path) -> set[str]:
    """Return the names of what a process has open, as in /proc/<pid>/fd. Skip what it closes meanwhile."""
    names = set()
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):
            names.add(descriptor.readlink().name)
    return names


def _listening_sockets(port: int) -> set[str]:
    """Return the sockets that listen on `port`, named as in /proc/<pid>/fd: `socket:[12345]`."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            # Source: proc_net(5): the local address, the state (0A: LISTEN) and, tenth, the inode.
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{fields[9]}]")
    return sockets


def free_ports(n_ports: int) -> list[int]:
    """Return `n_ports` distinct ports of 127.0.0.1 that are free at the moment."""
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


def why_unavailable(port: int) -> str:
    """Return the reason why no process can listen on `port` of 127.0.0.1 now. Return "" if `port` is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # Set this as the servers do: remains of connections of the last minute do not block the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def check_chosen(chosen: Mapping[str, int | None]) -> None:
    """Check that the ports that the caller chose are free. The keys are the names of the variables that choose them.

    Raises:
        LaunchError: another process listens on one of them.
    """
    for name, port in chosen.items():
        if port is not None and (reason := await_free(port)):
            raise LaunchError(
                f"{name} is {port}, and the launcher cannot listen on that port ({reason})",
                f"end the process that uses it (`ss -ltnp 'sport = :{port}'` shows it), or choose another {name}",
            )
