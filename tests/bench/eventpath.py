"""The event path: publish with confirm, consume, acknowledge, with ours, aio-pika, a C client and task queues.

    python -m tests.bench.eventpath [--events N] [--repeat R] [--way WAY ...] [--without-peers]

Publisher and consumer are two processes on one queue; 1 KB of JSON, persistent. The rate is of all events from the
first publish to the last acknowledgement. CPU is that of each process by its own clock, and of the broker by the
system's accounting. The rounds alternate, because what slows the machine for a while then slows all alike.

The C client does nothing but frames: it is the limit (`tests/bench/amqp_limit.c`). The task queues run tasks that do
nothing, in the peers' own environment. The goals are in docs/reference/goals.md.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aio_pika
from rich.console import Console
from rich.table import Table

from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.system.services import Services, running_services
from deploy.local.system.up import prepare_servers
from schemas.broker.topology import event_exchange
from schemas.ids import Mqid
from tests.bench.amqp_limit import build_limit
from tests.bench.peers.environment import prepare_peers
from tests.bench.peers.process_time import measure_cpu_s

HERE = Path(__file__).resolve().parents[2]
_PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Way:
    """A client to measure: its name in the table, its window, and its share of the events (one at a time is slow)."""

    name: str
    window: int
    share: float
    is_peer: bool = False


WAYS = {
    "c": Way("C, frames by hand, window 1000", 1000, 1.0),
    "ours": Way("runtime.amqp, window 256", 256, 1.0),
    "client": Way("ewms AsyncClient, floats, window 256", 256, 0.5),
    "pipelined": Way("aio-pika, 100 at once", 100, 0.5),
    "single": Way("aio-pika, one at a time", 1, 0.1),
    "faststream": Way("FastStream, 100 at once", 100, 0.2, is_peer=True),
    "dramatiq": Way("Dramatiq, classic queue", 100, 0.1, is_peer=True),
    "celery": Way("Celery, classic queue", 100, 0.1, is_peer=True),
}


@dataclass(frozen=True, slots=True)
class Round:
    """One pass of all events: events a second, and CPU microseconds an event."""

    rate: float
    publisher_us: float
    consumer_us: float
    broker_us: float


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs besides this one's Python: the C client and the peers' Python. None: this machine lacks it."""

    limit: Path | None
    peers: Path | None


def build_command(way: str, programs: Programs, role: str, queue: str, n: int) -> list[str]:
    """Return the command of one role."""
    tail = [role, way, queue, str(n), str(WAYS[way].window)]
    if way == "c":
        return [str(programs.limit), role, queue, str(n), str(WAYS[way].window)]
    if way == "client":
        return [sys.executable, "-m", "tests.bench.client_roles", role, "async", queue, str(n), "floats"]
    if WAYS[way].is_peer:
        return [f"{programs.peers}/python", "-m", "tests.bench.peers.task_roles", *tail]
    return [sys.executable, "-m", "tests.bench.eventpath_roles", *tail]


def write_address(way: str, url: str) -> str:
    """Return the line that tells a role where the broker is. It has a password, which no command line may show."""
    if way != "c":
        return url + "\n"
    found = urlsplit(url)
    parts = (found.hostname, found.port, found.username, found.password, found.path.removeprefix("/"))
    return " ".join(unquote(str(part)) for part in parts) + "\n"


async def prepare_queue(url: str, queue: Mqid, *, for_peer: bool, delete: bool = False) -> None:
    """Declare the queue and its exchange, or delete what a round has left. Peers declare their own."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        if delete:
            for name in (queue, f"{queue}.DQ", f"{queue}.XQ"):
                await channel.queue_delete(name)
            for name in (queue, event_exchange(queue)):
                await channel.exchange_delete(name)
        elif not for_peer:
            declared = await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
            exchange = await channel.declare_exchange(event_exchange(queue), durable=True)
            await declared.bind(exchange, queue)


def measure_round(way: str, programs: Programs, services: Services, n: int) -> Round:
    """Pass `n` events through a fresh queue."""
    url, broker = services.rabbitmq.data_url, services.rabbitmq.child.pid
    queue = Mqid(f"a{uuid.uuid4().hex[:20]}")
    asyncio.run(prepare_queue(url, queue, for_peer=WAYS[way].is_peer))

    def start_role(role: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            build_command(way, programs, role, queue, n),
            env={**os.environ, "PYTHONPATH": str(HERE)},
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(write_address(way, url))
        process.stdin.flush()
        return process

    consumer = start_role("consume")
    assert consumer.stdout is not None
    if consumer.stdout.readline() != "ready\n":
        raise RuntimeError(f"the consumer of {WAYS[way].name} did not start")
    broker_s = measure_cpu_s([broker] if broker else [])
    publisher = start_role("publish")
    begun, *_, publisher_s = map(float, publisher.communicate(timeout=_PATIENCE_S)[0].split())
    *_, ended, consumer_s = map(float, consumer.communicate(timeout=_PATIENCE_S)[0].split())
    broker_s = measure_cpu_s([broker] if broker else []) - broker_s
    asyncio.run(prepare_queue(url, queue, for_peer=True, delete=True))
    return Round(n / (ended - begun), publisher_s / n * 1e6, consumer_s / n * 1e6, broker_s / n * 1e6)


def make_table(rounds: dict[str, list[Round]], n: int) -> Table:
    """Return the medians of all rounds as a table. Rates are shares of the C client's, if it was built."""
    rates = {way: statistics.median(each.rate for each in found) for way, found in rounds.items()}
    title = f"event path, n = {n}, median of {len(next(iter(rounds.values())))}, load {os.getloadavg()[0]:.1f}"
    table = Table("client", "events/s", "of C", "publisher us", "consumer us", "client us", "broker us", title=title)
    for way, found in rounds.items():
        figures = (
            statistics.median(each.publisher_us for each in found),
            statistics.median(each.consumer_us for each in found),
            statistics.median(each.publisher_us + each.consumer_us for each in found),
            statistics.median(each.broker_us for each in found),
        )
        share = f"{rates[way] / rates['c']:.2f}" if "c" in rates else "-"
        table.add_row(WAYS[way].name, f"{rates[way]:.0f}", share, *(f"{figure:.1f}" for figure in figures))
    return table


def prepare_programs(console: Console, ways: Sequence[str], directory: Path) -> Programs:
    """Build the C client and install the peers, if `ways` need them. Print what this machine cannot have."""
    limit = build_limit(directory) if "c" in ways else None
    if "c" in ways and limit is None:
        console.print("missing: the C client, the limit of all others (this machine has no C compiler)")
    peers = None
    if any(WAYS[way].is_peer for way in ways):
        try:
            peers = prepare_peers(console)
        except subprocess.CalledProcessError as error:
            console.print(f"missing: Celery, Dramatiq and FastStream (pip ended with {error.returncode})")
    return Programs(limit, peers)


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--way", choices=[*WAYS], action="append")
    parser.add_argument("--without-peers", action="store_true")
    options = parser.parse_args(arguments)
    ways = [way for way in options.way or WAYS if not (options.without_peers and WAYS[way].is_peer)]
    console = Console()
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    with run_directory() as directory, running_services(installed, directory, with_condor=False) as services:
        programs = prepare_programs(console, ways, directory)
        missing = {
            way for way in ways if (way == "c" and not programs.limit) or (WAYS[way].is_peer and not programs.peers)
        }
        rounds: dict[str, list[Round]] = {way: [] for way in ways if way not in missing}
        for _ in range(options.repeat):
            for way, found in rounds.items():
                n = max(10, int(options.events * WAYS[way].share))
                found.append(measure_round(way, programs, services, n))
        Console(width=120).print(make_table(rounds, options.events))


if __name__ == "__main__":
    main()
