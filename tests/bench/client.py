"""The user's client: publish and consume with `AsyncClient` and with `Client`, in CPU microseconds an event.

    python -m tests.bench.client [--events N] [--repeat R] [--against TREE]

Publisher and consumer are two processes on one quorum queue; window and prefetch are 256. `floats` is 0.8 KB of JSON,
`small` 0.1 KB, `bytes` 0.8 KB without JSON. With `--against`, each round runs the client of another tree (a checkout of
another commit) too, in turn, and the table gives the ratio of the two. CPU is that of the whole process, by its own
clock; on a busy machine it is worth more than the rate.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import aio_pika
from rich.console import Console
from rich.table import Table

from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.system.services import running_services
from deploy.local.system.up import prepare_servers
from schemas.broker.topology import event_exchange
from schemas.ids import Mqid

HERE = Path(__file__).resolve().parents[2]
ROLES = Path(__file__).with_name("client_roles.py")
CASES = [(client, payload) for client in ("async", "plain") for payload in ("floats", "small", "bytes")]


@dataclass(frozen=True, slots=True)
class Round:
    """One pass of all events: events a second, and CPU microseconds an event."""

    rate: float
    publisher_us: float
    consumer_us: float

    @property
    def sum_us(self) -> float:
        """Both processes together."""
        return self.publisher_us + self.consumer_us


async def _prepare_queue(url: str, queue: Mqid, *, delete: bool = False) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        if delete:
            await channel.queue_delete(queue)
            await channel.exchange_delete(event_exchange(queue))
            return
        declared = await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        exchange = await channel.declare_exchange(event_exchange(queue), durable=True)
        await declared.bind(exchange, queue)


def measure_round(url: str, tree: Path, client: str, payload: str, n: int) -> Round:
    """Pass `n` events through a fresh queue with the client of `tree`."""
    queue = Mqid(f"a{uuid.uuid4().hex[:20]}")
    asyncio.run(_prepare_queue(url, queue))

    def start_role(role: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", str(ROLES), role, client, queue, str(n), payload]
        process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(tree)}, cwd="/", stdin=-1, stdout=-1, text=True
        )
        assert process.stdin is not None
        # The URL has a password, which is not for the list of processes.
        process.stdin.write(url + "\n")
        process.stdin.flush()
        return process

    consumer = start_role("consume")
    assert consumer.stdout is not None
    assert consumer.stdout.readline() == "ready\n"
    publisher = start_role("publish")
    begun, _, publisher_s = map(float, publisher.communicate(timeout=300)[0].split())
    _, ended, consumer_s = map(float, consumer.communicate(timeout=300)[0].split())
    asyncio.run(_prepare_queue(url, queue, delete=True))
    return Round(n / (ended - begun), publisher_s / n * 1e6, consumer_s / n * 1e6)


def _table(url: str, n: int, repeat: int, against: Path | None, cases: list[tuple[str, str]]) -> Table:
    trees = [HERE] if against is None else [HERE, against]
    found: dict[tuple[str, str, Path], list[Round]] = {}
    for _ in range(repeat):  # alternating: what slows the machine for a while slows all alike
        for client, payload in cases:
            for tree in trees:
                found.setdefault((client, payload, tree), []).append(measure_round(url, tree, client, payload, n))
    title = f"the user's client, n = {n}, median of {repeat}, load {os.getloadavg()[0]:.1f}"
    table = Table("client", "payload", "events/s", "publisher CPU us", "consumer CPU us", "sum", title=title)
    if against is not None:
        table.add_column("sum there")
        table.add_column("here / there")
    for client, payload in cases:
        rounds = found[client, payload, HERE]
        sum_us = statistics.median(each.sum_us for each in rounds)
        row = [
            client,
            payload,
            f"{statistics.median(each.rate for each in rounds):.0f}",
            f"{statistics.median(each.publisher_us for each in rounds):.0f}",
            f"{statistics.median(each.consumer_us for each in rounds):.0f}",
            f"{sum_us:.0f}",
        ]
        if against is not None:
            theirs = statistics.median(each.sum_us for each in found[client, payload, against])
            row += [f"{theirs:.0f}", f"{sum_us / theirs:.2f}"]
        table.add_row(*row)
    return table


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--case", choices=[" ".join(case) for case in CASES], action="append")
    options = parser.parse_args(arguments)
    cases = [case for case in CASES if not options.case or " ".join(case) in options.case]
    console = Console()
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    with run_directory() as directory, running_services(installed, directory, with_condor=False) as services:
        console.print(_table(services.rabbitmq.data_url, options.events, options.repeat, options.against, cases))


if __name__ == "__main__":
    main()
