"""What it costs a consumer to remember events across programs: `results()` with its file and without.

    python -m tests.bench.results [--events N] [--repeat R]

The queue is filled before; 100 bytes of JSON an event, an empty body. The rate is from the first event to the last
acknowledgement.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table

from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.system.services import running_services
from deploy.local.system.up import prepare_servers
from ewms.gateway.http import Gateway
from ewms.queues.memory import Remember
from ewms.queues.results import AsyncResults
from runtime.amqp import Connection
from tests.bench.client_roles import WORKFLOW, OneQueue


async def _measured(url: str, n: int, remember: Remember) -> tuple[float, float]:
    """Return events a second and microseconds of CPU an event."""
    queue = f"a{uuid.uuid4().hex[:20]}"
    connection = await Connection.connect(url)
    async with connection.lend_channel() as channel:
        await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    publisher = connection.open_publisher(window=200)
    body = b'{"x": 1.0}' * 10
    await asyncio.gather(*(publisher.publish("", queue, body, message_id=str(uuid.uuid4())) for _ in range(n)))
    gateway = cast(Gateway, OneQueue(url, queue))
    results = AsyncResults(gateway, WORKFLOW, "out", n=n, remember=remember)
    async with results:
        begun, cpu = time.perf_counter(), time.process_time()
        async for _ in results:
            pass
    taken, cpu = time.perf_counter() - begun, time.process_time() - cpu
    async with connection.lend_channel() as channel:
        await channel.queue_delete(queue)
    await connection.close()
    return n / taken, cpu / n * 1e6


def _table(url: str, n: int, repeat: int, directory: Path) -> Table:
    ways: dict[str, Remember] = {"memory alone": False, "with a file": directory}
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(repeat):  # alternating: what slows the machine for a while slows both alike
        for way, remember in ways.items():
            found[way].append(asyncio.run(_measured(url, n, remember)))
    table = Table("results()", "events/s", "/ memory alone", "CPU us an event", title=f"consuming, n = {n}")
    rates = {way: statistics.median(rate for rate, _ in rounds) for way, rounds in found.items()}
    for way, rate in rates.items():
        cpu_us = statistics.median(cpu for _, cpu in found[way])
        table.add_row(way, f"{rate:.0f}", f"{rate / rates['memory alone']:.2f}", f"{cpu_us:.0f}")
    n_bytes = sum(path.stat().st_size for path in directory.iterdir())
    table.caption = f"{n_bytes / (n * repeat):.0f} bytes an event in the files"
    return table


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args(arguments)
    console = Console()
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    with (
        tempfile.TemporaryDirectory() as kept,
        run_directory() as directory,
        running_services(installed, directory, with_condor=False) as services,
    ):
        console.print(_table(services.rabbitmq.data_url, options.events, options.repeat, Path(kept)))


if __name__ == "__main__":
    main()
