"""Events through a task and back, by the workers and slots: a client, the broker, pilots, and a task that answers.

    python -m tests.bench.endtoend [--events N] [--repeat R] [--task warm|cp] [--layout WORKERSxSLOTS ...]

The client is two processes of `ewms.AsyncClient`: one publishes 0.1 KB of JSON, the other takes the results. `warm` is
a warm task in Python that answers each line at once. `cp` starts `cp` for each event. The rate is from the first
publish to the last result. CPU is that of an event, for all processes of a kind together: clients by their own clocks,
broker and pilots by the system's accounting. `2 cores allow` is the rate if two cores did nothing else.
"""

import argparse
import asyncio
import os
import shlex
import statistics
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.system.services import running_services
from deploy.local.system.up import prepare_servers
from tests.bench.eventpath import HERE
from tests.bench.peers.process_time import measure_cpu_s
from tests.bench.pilot import scratch
from tests.integration.pilot.field import Field, PilotProcess, opened

#: Answers each event with its own data, without a parser: what is measured is everything else.
ECHO = """
import sys
for line in sys.stdin:
    sys.stdout.write(line.replace('"attempt":1,', "", 1))
    sys.stdout.flush()
"""
TASKS: dict[str, dict[str, Any]] = {
    "warm": {
        "EWMS_PILOT_TASK_MODE": "stream",
        "EWMS_PILOT_TASK_ARGS": f"{shlex.quote(sys.executable)} -S -c {shlex.quote(ECHO)}",
    },
    "cp": {"EWMS_PILOT_TASK_ARGS": "cp {{INFILE}} {{OUTFILE}}"},
}
#: The cost of `cp` is a process, so fewer events tell as much.
_SHARE = {"warm": 1.0, "cp": 0.2}
LAYOUTS = ("1x1", "2x1", "1x4", "2x4")
_PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Passage:
    """One pass of all events: events a second, and CPU microseconds an event."""

    rate: float
    client_us: float
    broker_us: float
    pilot_us: float

    @property
    def sum_us(self) -> float:
        """All processes together."""
        return self.client_us + self.broker_us + self.pilot_us


async def start_client(field: Field, role: str, queue: str, n: int) -> asyncio.subprocess.Process:
    """Start a role of the user's client on `queue`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.client_roles", role, "async", queue, str(n), "small"),
        env={**os.environ, "PYTHONPATH": str(HERE)},
        cwd=HERE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(f"{field.url}\n".encode())
    await process.stdin.drain()
    return process


async def start_pilots(field: Field, task: str, source: Any, sink: Any, layout: str) -> list[PilotProcess]:
    """Start the workers of `layout`, and return them when all of them wait for events."""
    n_workers, n_slots = map(int, layout.split("x"))
    variables = {
        **TASKS[task],
        "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 60,
        "EWMS_PILOT_HTCHIRP_RATELIMIT_INTERVAL": 60,
        "EWMS_PILOT_MAX_CONCURRENT_TASKS": n_slots,
    }
    pilots = [await field.pilot(variables, inputs=[source], outputs=[sink]) for _ in range(n_workers)]
    for pilot in pilots:
        await pilot.until(lambda pilot: "AwaitingFirstMessage" in pilot.statuses(), timeout_s=60)
    return pilots


async def measure_passage(field: Field, task: str, layout: str, n: int) -> Passage:
    """Pass `n` events through the task."""
    source, sink = await field.queue(), await field.queue()
    pilots = await start_pilots(field, task, source, sink, layout)
    consumer = await start_client(field, "consume", sink, n)
    assert consumer.stdout is not None
    assert await consumer.stdout.readline() == b"ready\n"
    broker = [pid for pid in (field.rabbitmq.child.pid,) if pid]
    workers = [pilot.process.pid for pilot in pilots]
    broker_s, pilot_s = measure_cpu_s(broker), measure_cpu_s(workers)
    publisher = await start_client(field, "publish", source, n)
    async with asyncio.timeout(_PATIENCE_S):
        begun, _, publisher_s = map(float, (await publisher.communicate())[0].split())
        _, ended, consumer_s = map(float, (await consumer.communicate())[0].split())
    broker_s, pilot_s = measure_cpu_s(broker) - broker_s, measure_cpu_s(workers) - pilot_s
    for pilot in pilots:
        pilot.process.terminate()
        await pilot.ended()
    for queue in (source, sink):
        await field.delete(queue)
    client_s = publisher_s + consumer_s
    return Passage(n / (ended - begun), *(seconds / n * 1e6 for seconds in (client_s, broker_s, pilot_s)))


async def measure_all(field: Field, n: int, repeat: int, tasks: list[str], layouts: list[str]) -> Table:
    """Return the table of the medians; the rounds alternate."""
    found: dict[tuple[str, str], list[Passage]] = {(task, layout): [] for task in tasks for layout in layouts}
    for _ in range(repeat):
        for (task, layout), passages in found.items():
            passages.append(await measure_passage(field, task, layout, max(100, int(n * _SHARE[task]))))
    title = f"end to end, n = {n} (cp: a fifth), median of {repeat}, load {os.getloadavg()[0]:.1f}; us of CPU an event"
    columns = ("task", "workers x slots", "events/s", "client", "broker", "pilots and tasks", "sum", "2 cores allow/s")
    table = Table(*columns, title=title)
    for (task, layout), passages in found.items():
        sum_us = statistics.median(each.sum_us for each in passages)
        table.add_row(
            task,
            layout,
            f"{statistics.median(each.rate for each in passages):.0f}",
            f"{statistics.median(each.client_us for each in passages):.0f}",
            f"{statistics.median(each.broker_us for each in passages):.0f}",
            f"{statistics.median(each.pilot_us for each in passages):.0f}",
            f"{sum_us:.0f}",
            f"{2e6 / sum_us:.0f}",
        )
    return table


def main(arguments: list[str] | None = None) -> None:
    """Start the broker, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=6_000)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--task", choices=[*TASKS], action="append")
    parser.add_argument("--layout", action="append", metavar="WORKERSxSLOTS")
    options = parser.parse_args(arguments)
    console = Console()
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    with run_directory() as run, running_services(installed, run, with_condor=False) as services:
        broker = services.rabbitmq
        with BrokerAdmin(broker.management_url("admin")) as admin:
            admin.add_vhosts(list(broker.users), control_vhost="bench-control", data_vhost="bench-data")

        async def run_all() -> Table:
            with scratch() as directory:
                async with opened(broker, "bench-data", directory) as field:
                    tasks, layouts = options.task or [*TASKS], options.layout or [*LAYOUTS]
                    return await measure_all(field, options.events, options.repeat, tasks, layouts)

        Console(width=120).print(asyncio.run(run_all()))


if __name__ == "__main__":
    main()
