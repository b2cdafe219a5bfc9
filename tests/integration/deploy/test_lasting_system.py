"""`make up` survives the end of everything that it runs, and its own: nothing that was confirmed is lost.

One story for each pool, for every start costs seconds. What is the same with both pools is in that of the local pool.

    local     servers killed, launcher killed ─► MQS killed, SIGTERM ─► --fresh, `down` ─► its end
    condor    pool killed, launcher killed ─► `down` ─► its end
"""

import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from deploy.local.system.data_directory import MARKER
from ewms import Client, EWMSError, Task, Workflow
from ewms.client import Run
from tests.integration.deploy.conftest import Launch, wait_for, wait_until_up
from tests.integration.deploy.descendants import Process, below, gather_below, survivors
from tests.integration.deploy.restarted_runs import (
    copying_workflow,
    count_shown,
    do_events,
    end_run_after_restart,
    wait_until_settled,
)

N_EVENTS = 60


def _pids(launcher: int, program: str) -> list[int]:
    return [child.pid for child in below(launcher) if Path(child.command.split()[0]).name == program]


def _is_replaced(launcher: int, program: str, dead: int) -> bool:
    return _pids(launcher, program) not in ([], [dead])


def _workflow(cluster: str, script: str, *, n_workers: int = 1) -> Workflow:
    task = Task(
        image="none",
        args=f"sh -c '{script}' sh {{{{INFILE}}}} {{{{OUTFILE}}}}",
        inputs=["in"],
        outputs=["out"],
        clusters=[cluster],
        n_workers=n_workers,
        memory="64M",
        disk="64M",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none", "EWMS_PILOT_DRAIN_GRACE": "1"},
    )
    return Workflow(public=["in", "out"], tasks=[task])


def _is_long_task(process: Process) -> bool:
    return process.command.startswith("sleep 3600")


def _take_results(run: Run, seen: set[str], n: int) -> None:
    """Take results until `n` different ones are here, whatever fails on the way."""
    deadline = time.monotonic() + 120
    while len(seen) < n:
        assert time.monotonic() < deadline, f"{len(seen)} of {n} results, {run.depths()}"
        try:
            for event in run.queue("out").results(idle_timeout=3):
                seen.add(str(event.body))
                if len(seen) >= n:
                    break
        except EWMSError:
            time.sleep(0.3)


def _begin_run(client: Client, cluster: str, seen: set[str]) -> Run:
    """Return a run of the slow copy that is under way."""
    run = client.submit(_workflow(cluster, "sleep 0.2; cp $1 $2", n_workers=2))
    with run.queue("in").publisher() as publisher:
        for number in range(N_EVENTS):
            publisher.send(str(number))
    _take_results(run, seen, 5)
    return run


def _kill_servers(launcher: "subprocess.Popen[str]", programs: tuple[str, ...], errors: Path) -> None:
    """Kill each server, and wait until the launcher has started it again."""
    for program in programs:
        (pid,) = _pids(launcher.pid, program)
        os.kill(pid, signal.SIGKILL)
        wait_for(partial(_is_replaced, launcher.pid, program, pid), launcher, errors)
    assert errors.read_text().count("starting it again") == len(programs)


def _kill_again_and_again(launcher: "subprocess.Popen[str]", module: str, errors: Path) -> None:
    """Kill the process that runs `module` four times, each time as soon as it is there."""
    dead: set[int] = set()
    for _ in range(4):
        wait_for(lambda: not dead.issuperset(_find_module(launcher.pid, module)), launcher, errors)
        (pid,) = set(_find_module(launcher.pid, module)) - dead
        os.kill(pid, signal.SIGKILL)
        dead.add(pid)


def _find_module(launcher: int, module: str) -> list[int]:
    return [child.pid for child in below(launcher) if child.command.split()[1:] == ["-m", module]]


def _take_the_rest(run: Run, seen: set[str], n_shown: int) -> int:
    """Check that every event comes back. Return how many are done; counts of the seconds before a kill may be lost, but
    none that a user has seen.
    """
    _take_results(run, seen, N_EVENTS)
    assert seen == {str(number) for number in range(N_EVENTS)}
    assert run.depths().n_dead == 0
    return wait_until_settled(run, at_least=n_shown)


@pytest.mark.usefixtures("installed")
def test_pool_and_launcher_are_killed_in_the_middle_of_a_run_and_every_event_comes_back_from_htcondor(
    scratch: Path, launch: Launch
) -> None:
    # With a short lease, for that is how long the schedd waits for the jobs of a pool that was killed.
    start = partial(launch, "up", "--pool", "condor", "--data", str(scratch / "data"), EWMS_JOB_LEASE_S="20")
    launcher = start()
    endpoints = wait_until_up(launcher, scratch)
    seen: set[str] = set()
    with Client(endpoints["gateway"], token=endpoints["token"], timeout=90) as client:
        run = _begin_run(client, endpoints["cluster"], seen)
        # The local pool's story kills the other servers.
        _kill_servers(launcher, ("condor_master",), scratch / "errors")
        _take_results(run, seen, 30)
        n_shown = count_shown(run)

    everything = below(launcher.pid)
    assert {"mongod", "beam.smp", "condor_master"} <= {Path(one.command.split()[0]).name for one in everything}
    launcher.kill()
    launcher.wait(20)
    assert survivors(everything) == set()

    again = wait_until_up(start(), scratch)
    assert (again["gateway"], again["amqp"]) == (endpoints["gateway"], endpoints["amqp"])
    # The token of before the end, and the workflow with its events and workers.
    with Client(endpoints["gateway"], token=endpoints["token"], timeout=90) as client:
        n_done = _take_the_rest(client.run(run.id), seen, n_shown)

    assert launch("down", "--data", str(scratch / "data")).wait(120) == 0
    again = wait_until_up(start(), scratch)
    with Client(again["gateway"], token=again["token"], timeout=90) as client:
        end_run_after_restart(client.run(run.id), n_done=n_done)


@pytest.mark.usefixtures("installed")
def test_servers_services_and_launchers_of_one_data_directory_end_in_turn_with_the_local_pool(
    scratch: Path, launch: Launch
) -> None:
    errors, endpoints = scratch / "errors", scratch / ".ewms/endpoints.json"
    # Left by a launcher that was killed.
    endpoints.parent.mkdir()
    endpoints.write_text('{"gateway": "http://127.0.0.1:1"}')
    (scratch / "elsewhere").mkdir()
    # Nobody listens there: whatever of ours took a proxy to loopback would not get through.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    launcher = launch("up", "--pool", "local", "--data", "data", **nowhere, all_proxy="socks5h://127.0.0.1:9")
    first = wait_until_up(launcher, scratch)
    assert endpoints.stat().st_mode & 0o777 == 0o600
    seen: set[str] = set()
    with Client(first["gateway"], token=first["token"], timeout=90) as client:
        run = _begin_run(client, first["cluster"], seen)
        _kill_servers(launcher, ("mongod", "beam.smp"), errors)
        _take_results(run, seen, 30)
        long_run = client.submit(_workflow(first["cluster"], "sleep 3600"))
        with long_run.queue("in").publisher() as publisher:
            publisher.send("a long one")
        everything = gather_below(launcher.pid, _is_long_task, errors)
        n_shown = count_shown(run)

    refused = launch("up", "--pool", "local", "--data", str(scratch / "data"), folder="elsewhere")
    assert refused.wait(60) == 1
    assert f"in use by process {launcher.pid} on {os.uname().nodename}" in (scratch / "elsewhere/errors").read_text()

    launcher.kill()
    launcher.wait(20)
    assert survivors(everything) == set()

    launcher = launch("up", "--pool", "local", "--data", "data")
    again = wait_until_up(launcher, scratch)
    assert (again["gateway"], again["amqp"]) == (first["gateway"], first["amqp"])
    # The token of before the end, and the workflows with their events and workers.
    with Client(first["gateway"], token=first["token"], timeout=90) as client:
        _take_the_rest(client.run(run.id), seen, n_shown)
        _kill_again_and_again(launcher, "mqs", errors)
        client.submit(_workflow(first["cluster"], "true")).wait("active", timeout="90s")
    told = errors.read_text()
    assert told.count("mqs has ended") == 4
    assert "4 times in a row); starting it again in 2 s" in told

    everything = gather_below(launcher.pid, _is_long_task, errors)
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(120) == 0
    assert survivors(everything) == set()
    assert f"The data stay in {scratch / 'data'}" in errors.read_text()
    assert not endpoints.exists()
    assert (scratch / "data" / MARKER).exists()

    launcher = launch("up", "--pool", "local", "--data", "data", "--fresh")
    second = wait_until_up(launcher, scratch)
    assert f"deleting the workflows, events, jobs and keys in {scratch / 'data'}" in errors.read_text()
    with Client(second["gateway"], token=second["token"], timeout=60) as client:
        assert client.workflows() == []
        run = client.submit(copying_workflow(second["cluster"]))
        do_events(run)
    assert second["gateway"] != first["gateway"]

    # What a script types that has put the launcher into the background; it needs no pid.
    ended = launch("down", folder="elsewhere")
    assert ended.wait(60) == 1
    assert "no EWMS runs on" in (scratch / "elsewhere/errors").read_text()
    assert launcher.poll() is None
    assert launch("down", "--data", str(scratch / "data"), folder="elsewhere").wait(120) == 0
    assert f"started in {scratch}. Its data stay" in (scratch / "elsewhere/errors").read_text().replace("\n", "")
    assert launcher.wait(0) == 0

    launcher = launch("up", "--pool", "local", "--data", "data")
    third = wait_until_up(launcher, scratch)
    with Client(third["gateway"], token=third["token"], timeout=60) as client:
        end_run_after_restart(client.run(run.id))
    # Without a name it ends the system of this folder, even if its data lie elsewhere.
    assert launch("down").wait(120) == 0
    assert launcher.wait(0) == 0
