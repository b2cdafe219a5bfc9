"""The supervisor starts again what ends, tells of it, and gives nothing up."""

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.children.processes import LaunchedProcess, LaunchedProcesses
from deploy.local.children.supervisor import Supervisor
from deploy.local.choices.ports import free_ports


class Server:
    """A shell that sleeps, or ends at once."""

    name = "server"

    def __init__(self, children: LaunchedProcesses, log: Path, script: str, port: int | None = None) -> None:
        self._children, self._log, self._script, self._port = children, log, script, port
        self.n_starts = 0
        self.relaunch()

    @property
    def own_ports(self) -> Mapping[str, int]:
        return {} if self._port is None else {"door": self._port}

    def relaunch(self) -> LaunchedProcess:
        self.n_starts += 1
        command = ["/bin/sh", "-c", self._script]
        self.child = self._children.launch(self.name, command, log=self._log, environment={}, namespaced=False)
        return self.child

    def is_ready(self) -> bool:
        return True


@pytest.fixture
def children() -> Iterator[LaunchedProcesses]:
    """Children that end with the test."""
    with LaunchedProcesses() as all_of_them:
        yield all_of_them


def test_one_that_ends_is_started_again_at_once_and_then_later_each_time(
    children: LaunchedProcesses, tmp_path: Path
) -> None:
    told: list[str] = []
    clock = [0.0]
    server = Server(children, tmp_path / "log", "echo out of cheese >&2; exit 3")
    supervisor = Supervisor([server], children, told.append, clock=lambda: clock[0])
    supervisor.handle_next()
    assert server.n_starts == 2
    for n in range(3, 7):
        supervisor.handle_next()
        clock[0] += 30
        supervisor.handle_next()
        assert server.n_starts == n
    ends = [line for line in told if "has ended" in line]
    assert ends[0] == f"server has ended (exit status 3); starting it again; log: {tmp_path / 'log'}"
    assert "2 times in a row); starting it again in 0.5 s; the last line of its log: out of cheese" in ends[1]


def test_one_whose_port_is_taken_waits_for_it_and_says_once_who_has_it(
    children: LaunchedProcesses, tmp_path: Path
) -> None:
    told: list[str] = []
    clock = [0.0]
    (port,) = free_ports(1)
    server = Server(children, tmp_path / "log", "exit 0", port)
    supervisor = Supervisor([server], children, told.append, clock=lambda: clock[0])
    with socket.create_server(("127.0.0.1", port)):
        for _ in range(3):
            supervisor.handle_next()
            clock[0] += 2
        assert server.n_starts == 1
        assert [f" uses port {port} (door)" in line for line in told] == [False, True]
    supervisor.handle_next()
    assert server.n_starts == 2
