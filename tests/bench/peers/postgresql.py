"""Run Debian's PostgreSQL with its own settings: each commit is on the disk before it counts."""

import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.children.processes import LaunchedProcess, await_ready
from deploy.local.choices.prerequisites import allows_namespaces
from deploy.local.errors import LaunchError
from deploy.local.files.secret_files import write_secret
from deploy.local.system.services import Services

#: PostgreSQL refuses to run as root. Within a user namespace of its own it is another user.
_AS_A_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
_USER = "bench"


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """A running PostgreSQL."""

    url: str
    child: LaunchedProcess


@contextmanager
def running_postgresql(services: Services, tree: Path, directory: Path) -> Iterator[PostgreSQL]:
    """Run the PostgreSQL of `tree` with its data in `directory`, during the block.

    Raises:
        LaunchError: it does not run on this machine.
    """
    if not allows_namespaces():
        raise LaunchError("PostgreSQL does not run as root, and this machine allows no namespaces", "run as a user")
    programs = next(tree.glob("usr/lib/postgresql/*/bin"))
    directory.mkdir(mode=0o700)
    password, port = secrets.token_hex(16), services.ports.take_one("postgresql")
    write_secret(directory / "password", password.encode())
    made = subprocess.run(
        [
            *(*_AS_A_USER, str(programs / "initdb"), "-D", str(directory / "data"), "-U", _USER),
            *("--auth=scram-sha-256", f"--pwfile={directory / 'password'}", "-E", "UTF8", "--locale=C"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise LaunchError(f"initdb failed: {made.stderr.strip()[-300:]}", "read its words")
    child = services.children.launch(
        "postgresql",
        [
            *(*_AS_A_USER, programs / "postgres", "-D", directory / "data", "-p", str(port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
        ],
        log=services.run / "logs" / "postgresql.log",
        environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        namespaced=False,
    )
    await_ready(child, lambda: _accepts(port), timeout_s=60.0)
    try:
        yield PostgreSQL(f"postgresql+psycopg://{_USER}:{password}@127.0.0.1:{port}/postgres", child)
    finally:
        child.stop()


def _accepts(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
