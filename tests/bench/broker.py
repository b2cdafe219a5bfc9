"""What queues cost the broker: an idle one, the creation and the deletion of a workflow's, by the report interval.

    python -m tests.bench.broker [--queues N] [--idle-s S] [--tick-s S ...]

Each interval (`EWMS_BROKER_TICK_S`) gets a broker of its own, which first idles without queues and then with N. CPU is
the broker's own, by the system's accounting. A workflow is two queues with their dead letters: three quorum queues.
"""

import argparse
import asyncio
import os
import time
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.system.services import Services, running_services
from deploy.local.system.up import prepare_servers
from tests.bench.peers.process_time import measure_cpu_s
from tests.bench.pilot import scratch
from tests.integration.pilot.field import opened

#: The broker goes on for a moment after it has created a queue.
_SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class QueueCost:
    """Milliseconds of the broker's CPU: an idle queue a second, the creation and the deletion of one queue."""

    idle_ms: float
    create_ms: float
    delete_ms: float


async def measure_queues(services: Services, n: int, idle_s: float) -> QueueCost:
    """Create `n` queues as MQS does, let them idle, and delete them."""
    pid = services.rabbitmq.child.pid
    pids = [] if pid is None else [pid]

    async def measure_rate(seconds: float) -> float:
        begun_s, cpu_s = time.monotonic(), measure_cpu_s(pids)
        await asyncio.sleep(seconds)
        return (measure_cpu_s(pids) - cpu_s) / (time.monotonic() - begun_s)

    with scratch() as directory:
        async with opened(services.rabbitmq, "bench-data", directory) as field:
            await asyncio.sleep(_SETTLE_S)
            empty = await measure_rate(idle_s)
            begun_s = measure_cpu_s(pids)
            queues = [await field.queue() for _ in range(n)]
            created_s = measure_cpu_s(pids) - begun_s
            await asyncio.sleep(_SETTLE_S)
            idle = await measure_rate(idle_s)
            begun_s = measure_cpu_s(pids)
            for queue in queues:
                await field.delete(queue)
            deleted_s = measure_cpu_s(pids) - begun_s
    return QueueCost((idle - empty) / n * 1e3, created_s / n * 1e3, deleted_s / n * 1e3)


def main(arguments: list[str] | None = None) -> None:
    """Start a broker for each interval, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queues", type=int, default=300)
    parser.add_argument("--idle-s", type=float, default=30.0)
    parser.add_argument("--tick-s", type=int, action="append")
    options = parser.parse_args(arguments)
    console = Console(width=120)
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    title = f"queues of the broker, n = {options.queues}, load {os.getloadavg()[0]:.1f}; ms of CPU"
    columns = ("reports every", "an idle queue, a second", "creation", "deletion", "1 000 idle workflows, cores")
    table = Table(*columns, title=title)
    for tick_s in options.tick_s or (1, 5):
        os.environ["EWMS_BROKER_TICK_S"] = str(tick_s)
        with run_directory() as run, running_services(installed, run, with_condor=False) as services:
            with BrokerAdmin(services.rabbitmq.management_url("admin")) as admin:
                admin.add_vhosts(list(services.rabbitmq.users), control_vhost="bench-control", data_vhost="bench-data")
            cost = asyncio.run(measure_queues(services, options.queues, options.idle_s))
        table.add_row(
            f"{tick_s} s",
            f"{cost.idle_ms:.2f}",
            f"{cost.create_ms:.1f}",
            f"{cost.delete_ms:.1f}",
            f"{3000 * cost.idle_ms / 1e3:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
