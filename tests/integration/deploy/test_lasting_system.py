"""`make up` survives the end of everything that it runs, and its own: nothing that was confirmed is lost.

One story for each pool, for every start costs seconds: kill the servers in turn, then the launcher, then go on.
"""

import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from ewms import Client, EWMSError, Task, Workflow
from ewms.client import Run
from tests.integration.deploy.conftest import Launch, wait_for, wait_until_up
from tests.integration.deploy.descendants import below, survivors
from tests.integration.deploy.restarted_runs import count_shown, end_run_after_restart, wait_until_settled

N_EVENTS = 60
SERVERS = {"condor": ("mongod", "beam.smp", "condor_master"), "local": ("mongod", "beam.smp")}


def _start(launch: Launch, scratch: Path, pool: str) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    # With a short lease, for that is how long the schedd waits for the jobs of a pool that was killed.
    launcher = launch("up", "--pool", pool, "--data", str(scratch / "data"), EWMS_JOB_LEASE_S="20")
    return launcher, wait_until_up(launcher, scratch)


def _pids(launcher: int, program: str) -> list[int]:
    return [child.pid for child in below(launcher) if Path(child.command.split()[0]).name == program]


def _is_replaced(launcher: int, program: str, dead: int) -> bool:
    return _pids(launcher, program) not in ([], [dead])


def _slow_copy(cluster: str) -> Workflow:
    task = Task(
        image="none",
        args="sh -c 'sleep 0.2; cp $1 $2' sh {{INFILE}} {{OUTFILE}}",
        inputs=["in"],
        outputs=["out"],
        clusters=[cluster],
        n_workers=2,
        memory="64M",
        disk="64M",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none"},
    )
    return Workflow(public=["in", "out"], tasks=[task])


def _take(run: Run, seen: set[str], n: int) -> None:
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


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("pool", ["condor", "local"])
def test_servers_and_launcher_are_killed_in_the_middle_of_a_run_and_every_event_comes_back(
    scratch: Path, launch: Launch, pool: str
) -> None:
    launcher, endpoints = _start(launch, scratch, pool)
    errors = scratch / "errors"
    seen: set[str] = set()
    with Client(endpoints["gateway"], token=endpoints["token"], timeout=90) as client:
        run = client.submit(_slow_copy(endpoints["cluster"]))
        with run.queue("in").publisher() as publisher:
            for number in range(N_EVENTS):
                publisher.send(str(number))
        _take(run, seen, 5)
        for program in SERVERS[pool]:
            (pid,) = _pids(launcher.pid, program)
            os.kill(pid, signal.SIGKILL)
            wait_for(partial(_is_replaced, launcher.pid, program, pid), launcher, errors)
        assert errors.read_text().count("starting it again") == len(SERVERS[pool])
        _take(run, seen, 30)
        n_shown = count_shown(run)

    everything = below(launcher.pid)
    launcher.kill()
    launcher.wait(20)
    assert survivors(everything) == set()

    _, again = _start(launch, scratch, pool)
    assert (again["gateway"], again["amqp"]) == (endpoints["gateway"], endpoints["amqp"])
    # The token of before the end, and the workflow with its events and workers.
    with Client(endpoints["gateway"], token=endpoints["token"], timeout=90) as client:
        run = client.run(run.id)
        _take(run, seen, N_EVENTS)
        assert seen == {str(number) for number in range(N_EVENTS)}
        assert run.depths().n_dead == 0
        # Counts of the seconds before a kill may be lost, but none that a user has seen.
        n_done = wait_until_settled(run, at_least=n_shown)
    if pool == "local":
        # `test_going_on` ends and starts this pool.
        return

    assert launch("down", "--data", str(scratch / "data")).wait(120) == 0
    _, again = _start(launch, scratch, pool)
    with Client(again["gateway"], token=again["token"], timeout=90) as client:
        end_run_after_restart(client.run(run.id), n_done=n_done)
