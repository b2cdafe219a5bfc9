"""`python -m deploy.demo.maintenance`: nine tasks from git become images and maintain 20 simulated hosts.

    1  a git repository is made on the spot; the nine tasks are registered and approved
    2  the builder makes their images, and brings them to the pool
    3  a job runs them on 20 hosts, task by task; one host fails in step 6, and the others go on
    4  the simulated hosts say what was done on each

Everything is real: git, buildah, apptainer, RabbitMQ, MongoDB, and HTCondor (POOL=local: plain processes).
"""

import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import cast, get_args

from rich.console import Console

from deploy.demo.git_repository import serve_repository
from deploy.local.children.interruption import Interrupted, raise_on_signals
from deploy.local.choices.prerequisites import check_pool
from deploy.local.errors import LaunchError
from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers, say_notices
from deploy.local.system.wiring import PoolName
from ewms import Client, EWMSError
from ewms.cli.text.automation.jobs import job_lines
from schemas.api.automation.jobs import JobSeen
from schemas.api.automation.tasks import TaskSeen

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "maintenance"
#: The steps that the program in shell does; all others are done by the one in Python.
IN_SHELL = ("disable-monitoring", "enable-monitoring")
N_HOSTS = 20
FAILING, FAILS_AT = "host-07", "reboot"
_PATIENCE_S = 1800.0


class MaintenanceFailed(Exception):
    """The demonstration ran, but its result is not the expected one."""


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run the demonstration, and return the exit status: 0 if all went as expected."""
    console = Console(highlight=False)
    pool = environment.get("POOL") or "condor"
    if pool not in get_args(PoolName):
        console.print(f"POOL={pool}: choose condor or local", style="red", markup=False)
        return 2
    raise_on_signals()
    try:
        run_demonstration(cast(PoolName, pool), console, environment)
    except (LaunchError, MaintenanceFailed, EWMSError) as error:
        hint = f"\n{error.hint}" if isinstance(error, EWMSError) and error.hint else ""
        console.print(f"{error}{hint}", style="red", markup=False, soft_wrap=True)
        return 1
    except Interrupted:
        console.print("interrupted; the demonstration has stopped everything")
        return 130
    return 0


def run_demonstration(pool: PoolName, console: Console, environment: Mapping[str, str]) -> None:
    """Start the system, and show a maintenance.

    Raises:
        MaintenanceFailed: a build or the job did not end as it should.
    """

    def print_step(what: str) -> None:
        console.print(f"{what} ...", style="dim", markup=False)

    say_notices(console, environment)
    if pool == "condor":
        check_pool()
    servers = packages.ALL if pool == "condor" else (packages.BROKER, packages.CONTAINERS, packages.PYTHON_IMAGE)
    installed = prepare_servers(console, environment, (*servers, packages.BUILDER))
    simulation = load_simulation()
    hosts = simulation.SimulatedHosts([f"host-{n:02}" for n in range(1, N_HOSTS + 1)], {FAILING: FAILS_AT})
    with (
        run_directory() as run,
        serve_hosts(simulation, hosts) as address,
        serve_repository(installed.builder, run / "git", EXAMPLE / "tasks") as url,
        running_stack(
            installed,
            run,
            pool=pool,
            environment={
                "EWMS_JOB_WORKERS": "5",
                **environment,
                "EWMS_BUILD_GIT_PROTOCOLS": '["git"]',
                "EWMS_BUILD_GIT_HOSTS": '["127.0.0.1"]',
            },
            report_step=print_step,
            with_builder=True,
        ) as stack,
        Client(stack.gateway, token=stack.list_endpoints()["tokens"]["org-admin"]) as ews,
    ):
        console.print("\n1  Register nine tasks, and approve the commit that the builder has found", style="bold")
        tasks = [register_task(ews, url, step) for step in simulation.STEPS]
        for task, step in zip(tasks, simulation.STEPS, strict=True):
            found = wait_for_task(ews, task, lambda seen: bool(seen.versions[0].commit))
            ews.catalogue.approve(task, commit=found.versions[0].commit)
            console.print(f"  {task}  {step}", markup=False)
        console.print("\n2  The builder makes their images", style="bold")
        began = time.monotonic()
        for task in tasks:
            found = wait_for_task(ews, task, lambda seen: seen.status in ("Ready", "Failed"))
            expect(found.status == "Ready", f"task {found.name} is {found.status}: {found.reason}")
        console.print(f"  nine images in {time.monotonic() - began:.0f} s", markup=False)

        console.print(f"\n3  Run them on {N_HOSTS} hosts; {FAILING} fails at the step {FAILS_AT!r}", style="bold")
        text = f"[all:vars]\naddress={address}\n[compute]\n" + "\n".join(hosts.done) + "\n"
        inventory = ews.inventories.create("lab", content=text, form="ini")
        saved = ews.jobs.save_list({"name": "maintenance", "tasks": tasks})
        began = time.monotonic()
        job = ews.jobs.start({"workflow": saved.id, "inventory": inventory["id"], "max_fail_percentage": 10})
        done = ews.jobs.wait(job.id, timeout=_PATIENCE_S)
        for line in job_lines(done):
            console.print(line, soft_wrap=True)
        console.print(f"  {time.monotonic() - began:.0f} s", markup=False)

        console.print("\n4  What was done on the hosts", style="bold")
        judge(done, hosts.done, simulation.STEPS)
        for host in ews.jobs.list_hosts(job.id, state="failed"):
            last = host.results[-1]
            console.print(f"  {host.name}: {last.name} said no: {last.reason}", markup=False, soft_wrap=True)
        console.print(
            f"  each of the other {N_HOSTS - 1} hosts has done each step once, and {FAILING} none after {FAILS_AT}",
            style="green",
            markup=False,
        )


def load_simulation() -> ModuleType:
    """Return the module of the simulated hosts: an example is a script, and no package."""
    spec = importlib.util.spec_from_file_location("simulated_hosts", EXAMPLE / "simulated_hosts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def serve_hosts(simulation: ModuleType, hosts: object) -> Iterator[str]:
    """Serve the simulated hosts for the block; yield their address."""
    server = simulation.make_server(hosts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def register_task(ews: Client, url: str, step: str) -> int:
    """Register the task of one step, and return its id."""
    language, program = ("shell", "sh /task/act.sh") if step in IN_SHELL else ("python", "python3 /task/act.py")
    fields = {
        "name": step,
        "location": {"git": url, "subdirectory": language},
        "command": [*program.split(), step],
        "resources": {"memory": "256M", "disk": "512M", "max_runtime_s": 120},
    }
    return ews.catalogue.create(fields).id


def judge(job: JobSeen, done: Mapping[str, Sequence[str]], steps: Sequence[str]) -> None:
    """Check what the job and the hosts say.

    Raises:
        MaintenanceFailed: a host has done a step twice, out of order, or after a failure; or the job says otherwise.
    """
    until_failure = list(steps[: steps.index(FAILS_AT) + 1])
    wrong = {
        name: acts for name, acts in done.items() if list(acts) != (until_failure if name == FAILING else list(steps))
    }
    expect(not wrong, f"hosts that have done something else: {json.dumps(wrong)}")
    counts = {"ok": len(done) - 1, "failed": 1}
    expect((job.status, job.hosts) == ("failed", counts), f"the job is {job.status}, and its hosts are {job.hosts}")


def wait_for_task(ews: Client, task: int, holds: Callable[[TaskSeen], bool]) -> TaskSeen:
    """Return a task as soon as `holds` is true of it.

    Raises:
        MaintenanceFailed: it was not in time.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while not holds(found := ews.catalogue.show(task)):
        failed = found.versions[0].status == "Failed"
        expect(not failed, f"task {found.name} is {found.status}: {found.versions[0].reason or found.look}")
        expect(time.monotonic() < deadline, f"task {found.name} is still {found.status}: {found.reason}")
        time.sleep(0.5)
    return found


def expect(is_so: bool, otherwise: str) -> None:
    """Check that something is so.

    Raises:
        MaintenanceFailed: it is not.
    """
    if not is_so:
        raise MaintenanceFailed(otherwise)


if __name__ == "__main__":
    sys.exit(main())
