"""However a launcher ends, no process of it is left; and a start that fails says where the log is."""

import dataclasses
import os
import shutil
import signal
from pathlib import Path

import pytest

from deploy.local.errors import LaunchError, PoolCannotStart
from deploy.local.fetch.cache import Installed
from deploy.local.fetch.packages import POOL
from deploy.local.files.run_directory import run_directory
from deploy.local.system.services import running_services
from tests.integration.deploy.conftest import Launch
from tests.integration.deploy.descendants import below, gather_below, survivors


@pytest.mark.usefixtures("installed")
def test_servers_end_with_their_launcher(scratch: Path, launch: Launch) -> None:
    # `test_lasting_system` kills launchers.
    launcher = launch("services")
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "{\n", (scratch / "errors").read_text()
    children = below(launcher.pid)
    assert {"mongod", "beam.smp", "condor_master"} <= {
        Path(child.command.split()[0]).name for child in children if child.command
    }

    launcher.send_signal(signal.SIGINT)

    assert launcher.wait(20) == 0
    assert survivors(children) == set()
    assert list((scratch / "tmp").iterdir()) == []


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_start_leaves_nothing(scratch: Path, launch: Launch, number: signal.Signals) -> None:
    launcher = launch("services")
    seen = gather_below(launcher.pid, lambda child: "mongod" in child.command, scratch / "errors")

    launcher.send_signal(number)

    assert launcher.wait(20) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert survivors(seen) == set()
    if number != signal.SIGKILL:
        assert list((scratch / "tmp").iterdir()) == []


def _stub(directory: Path, script: str) -> Path:
    program = directory / "stub"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def _stub_mongod(installed: Installed, directory: Path, script: str) -> Installed:
    """Return what is installed, with a `mongod` that is `script`."""
    programs = directory / "mongod" / "bin"
    programs.mkdir(parents=True)
    _stub(programs, script).rename(programs / "mongod")
    return dataclasses.replace(installed, trees={**installed.trees, "mongod": programs.parent})


def test_a_failing_start_names_the_log_and_leaves_nothing(installed: Installed, scratch: Path) -> None:
    broken = _stub_mongod(installed, scratch, "echo the disk is on fire >&2; exit 3")
    before = below(os.getpid())
    with pytest.raises(LaunchError) as raised, run_directory() as run, running_services(broken, run, with_condor=False):
        pytest.fail("it started")
    assert "mongod ended while it was starting" in raised.value.what
    assert "the disk is on fire" in raised.value.what
    assert raised.value.log is not None
    assert "the disk is on fire" in raised.value.log.read_text()
    assert str(raised.value.log) in str(raised.value)
    assert survivors(below(os.getpid()) - before) == set()
    shutil.rmtree(raised.value.log.parents[1])


def test_a_taken_port_is_tried_again_with_others(installed: Installed, scratch: Path) -> None:
    real = installed.mongod
    script = f'[ -e {scratch}/tried ] && exec {real} "$@"; touch {scratch}/tried; echo Address already in use; exit 48'
    flaky = _stub_mongod(installed, scratch, script)
    with run_directory() as run, running_services(flaky, run, with_condor=False) as servers:
        assert servers.mongodb.child.is_running
    assert (scratch / "tried").exists()


def test_a_pool_that_cannot_run_is_told_apart_from_other_failures(installed: Installed, scratch: Path) -> None:
    # As root the pool is another account, which must be able to read its programs.
    scratch.chmod(0o755)
    program = scratch / "usr/sbin/condor_master"
    program.parent.mkdir(parents=True)
    for name in ("lib", "bin", "libexec", "share"):
        (scratch / "usr" / name).symlink_to(installed.pool / "usr" / name)
    _stub(program.parent, "echo no room here; exit 4").rename(program)
    with (
        pytest.raises(PoolCannotStart) as raised,
        run_directory() as run,
        running_services(dataclasses.replace(installed, trees={**installed.trees, POOL.name: scratch}), run),
    ):
        pytest.fail("it started")
    assert "no room here" in raised.value.what
    assert raised.value.log is not None
    shutil.rmtree(raised.value.log.parents[1])


@pytest.mark.usefixtures("installed")
def test_a_port_that_is_none_is_said_so(scratch: Path, launch: Launch) -> None:
    launcher = launch("up", "--pool", "local", EWMS_GATEWAY_PORT="http")
    assert launcher.wait(60) == 1
    assert "EWMS_GATEWAY_PORT is 'http'" in (scratch / "errors").read_text()
