"""The speed of jobs on inventories, beside the fleet's own with the same task.

    python -m tests.bench.jobs [--hosts N] [--workers N]

fleet     a workflow of one task: its events are published at once, and its results are taken
job       the same task on as many hosts of an inventory: one event a host, and what became of each is stored

Both have the same number of workers of the local pool, and start one container for each event. The task ends at once.
The time counts from the request to the last result (`fleet`), or to the end of the job (`job`); "begun" is the time to
the first result. So "events/s" are those of the whole, and "then" those after the first result.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

from rich.console import Console
from rich.table import Table

from deploy.demo.image import build_image
from deploy.local.choices.launch_options import LOCATION
from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.services import images_directory
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from ewms import Client, Task, Workflow
from runtime.kernel.store import Store
from tests.ready_tasks import add_ready_tasks

_COMMAND = ("true",)
_PATIENCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Speed:
    """How long `n` events took, and when the first result came, in seconds from the request."""

    name: str
    n: int
    begun_s: float
    taken_s: float

    @property
    def rate(self) -> float:
        """Return the events a second, all in all."""
        return self.n / self.taken_s

    @property
    def steady_rate(self) -> float:
        """Return the events a second after the first result."""
        return (self.n - 1) / max(self.taken_s - self.begun_s, 0.001)


def measure_fleet(client: Client, image: str, n: int, n_workers: int) -> Speed:
    """Measure a workflow of one task."""
    task = Task(
        image=image,
        args=f"{' '.join(_COMMAND)} {{{{INFILE}}}}",
        inputs=["in"],
        outputs=["out"],
        clusters=[LOCATION],
        n_workers=n_workers,
        memory="64M",
        disk="64M",
        pilot={"EWMS_PILOT_OUTCOMES_TO": "out"},
    )
    began_at = time.monotonic()
    run = client.submit(Workflow(public=["in", "out"], tasks=[task]))
    with run.queue("in").publisher(active_timeout=_PATIENCE_S) as publisher:
        for number in range(n):
            publisher.send({"host": {"name": f"h{number}"}}, key=f"h{number}")
    begun_s = 0.0
    for _ in islice(run.queue("out").results(idle_timeout=_PATIENCE_S, prefetch=100), n):
        begun_s = begun_s or time.monotonic() - began_at
    taken_s = time.monotonic() - began_at
    run.finish()
    run.wait("over", timeout=_PATIENCE_S)
    return Speed("fleet", n, begun_s, taken_s)


def measure_job(client: Client, task: int, n: int) -> Speed:
    """Measure a job of one task."""
    inventory = client.inventories.create("bench", content=f"h[1:{n}]\n", form="ini")
    began_at, begun_s = time.monotonic(), 0.0
    job = client.jobs.start({"task": task, "inventory": inventory["id"], "max_fail_percentage": 100})
    for seen in client.jobs.follow(job.id):
        if not begun_s and any(each.hosts for each in seen.tasks):
            begun_s = time.monotonic() - began_at
    taken_s = time.monotonic() - began_at
    if seen.status != "successful":
        raise SystemExit(f"the job is {seen.status}: {seen.explanation}; {seen.hosts}")
    return Speed("job", n, begun_s or taken_s, taken_s)


def main(words: Sequence[str] | None = None) -> None:
    """Measure both, and print a table."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=jobs")
    parser.add_argument("--hosts", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=16)
    arguments = parser.parse_args(words)
    console = Console()
    installed = prepare_servers(console, os.environ, (packages.BROKER, packages.CONTAINERS, packages.PYTHON_IMAGE))
    environment = {**os.environ, "EWMS_JOB_WORKERS": str(arguments.workers)}
    with ExitStack() as opened:
        run = opened.enter_context(run_directory())
        stack = opened.enter_context(running_stack(installed, run, pool="local", environment=environment))
        image = str(build_image(installed, images_directory(stack.services.run) / "bench"))
        [task] = asyncio.run(_add_task(stack.services.mongodb.url(ADMIN), image))
        token = stack.list_endpoints()["tokens"]["org-admin"]
        ews = opened.enter_context(Client(stack.gateway, token=token, timeout=60))
        user = opened.enter_context(Client(stack.gateway, token=stack.token, timeout=60))
        speeds = [
            measure_fleet(user, image, arguments.hosts, arguments.workers),
            measure_job(ews, task, arguments.hosts),
        ]
    table = Table("", "events", "begun", "taken", "events/s", "then", title=f"jobs, {arguments.workers} workers")
    for each in speeds:
        table.add_row(
            each.name,
            str(each.n),
            f"{each.begun_s:.1f} s",
            f"{each.taken_s:.1f} s",
            f"{each.rate:.1f}",
            f"{each.steady_rate:.1f}",
        )
    console.print(table)
    fleet, job = speeds
    console.print(f"job / fleet: {job.rate / fleet.rate:.2f}, then {job.steady_rate / fleet.steady_rate:.2f}")


async def _add_task(url: str, image: str) -> list[int]:
    store = await Store.connect(url, database="WMS_DB", source="ewms/bench")
    try:
        return [*await add_ready_tasks(store, ["nothing"], image=image, command=_COMMAND)]
    finally:
        await store.close()


if __name__ == "__main__":
    main()
