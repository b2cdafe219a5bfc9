"""C7, C12: the nine steps of the maintenance on simulated hosts, by a program in Python and one in shell."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.maintenance import EXAMPLE, IN_SHELL, load_simulation

simulation = load_simulation()


@pytest.fixture
def address() -> Iterator[str]:
    """Two hosts, of which the second one fails at the patch."""
    hosts = simulation.SimulatedHosts(("host-01", "host-02"), {"host-02": "patch"})
    server = simulation.make_server(hosts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def act(address: str, host: str, step: str) -> "subprocess.CompletedProcess[str]":
    """Run the program of a step, as its container runs it."""
    payload = {"version": "1", "host": {"name": host, "labels": [], "groups": [], "vars": {"address": address}}}
    program = [sys.executable, str(EXAMPLE / "tasks/python/act.py")]
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    words = [*program, step, json.dumps(payload, separators=(",", ":"))]
    return subprocess.run(words, check=False, capture_output=True, text=True, env=environment)


def test_c7_a_host_does_the_nine_steps_in_order(address: str) -> None:
    assert len(simulation.STEPS) == 9
    for step in simulation.STEPS:
        done = act(address, "host-01", step)
        assert done.returncode == 0, done.stderr


def test_c7_a_host_refuses_a_step_out_of_turn_and_fails_where_it_was_told_to(address: str) -> None:
    assert act(address, "host-01", "reboot").returncode == 1
    results = [act(address, "host-02", step) for step in simulation.STEPS[:5]]
    assert [each.returncode for each in results] == [0, 0, 0, 0, 1]
    assert "does not come back" in results[-1].stderr


def test_c12_the_task_in_shell_reads_the_same_payload(tmp_path: Path) -> None:
    assert set(IN_SHELL) <= set(simulation.STEPS)
    busybox = tmp_path / "busybox"
    busybox.write_text('#!/bin/sh\necho "$@"\n')
    busybox.chmod(0o755)
    payload = '{"a":1,"host":{"name":"host-01","labels":[],"groups":[],"vars":{"address":"http://127.0.0.1:1"}}}'
    done = subprocess.run(
        [shutil.which("sh") or "/bin/sh", str(EXAMPLE / "tasks/shell/act.sh"), IN_SHELL[0], payload],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert done.stdout.split() == [
        *("wget", "-q", "-O", "-", "--post-data", f"http://127.0.0.1:1/host-01/{IN_SHELL[0]}")
    ]
