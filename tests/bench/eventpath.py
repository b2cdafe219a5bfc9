"""The event path: publish with confirm, consume, acknowledge, through `runtime.amqp` and through plain aio-pika.

    python -m tests.bench.eventpath [--events N] [--repeat R]

Publisher and consumer are two processes on one quorum queue; 1 KB of JSON, persistent. The rate is of all events from
the first publish to the last acknowledgement; CPU is what the processes' own clocks say. The goal
(docs/reference/goals.md): at least 2.5 times the existing client's rate, which was about that of plain aio-pika, one at
a time.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aio_pika
from rich.console import Console
from rich.table import Table

from deploy.local.run_directory import run_directory
from deploy.local.services import running_services
from deploy.local.up import prepare_servers
from runtime.amqp import Connection, Delivery

BODY = b'{"x": 1.0}' * 102
WINDOW = 100

#: What is measured: its name on the command line, in the table, and its share of the events (one at a time is slow).
WAYS = {
    "single": ("aio-pika, one at a time", 0.1),
    "pipelined": (f"aio-pika, {WINDOW} at once", 1.0),
    "ours": (f"runtime.amqp, {WINDOW} at once", 1.0),
}


async def _many(publish: Callable[[int], Awaitable[object]], n: int, n_at_once: int) -> None:
    numbers = iter(range(n))

    async def worker() -> None:
        for number in numbers:
            await publish(number)

    await asyncio.gather(*(worker() for _ in range(n_at_once)))


async def publish(way: str, url: str, queue: str, n: int) -> tuple[float, float]:
    """Publish `n` events; return when that began, and the CPU seconds it took."""
    if way == "ours":
        ours = await Connection.connect(url)
        publisher = ours.open_publisher(window=WINDOW)
        await publisher.publish("", queue, BODY, message_id="first")
        begun, cpu = time.time(), time.process_time()
        await _many(lambda number: publisher.publish("", queue, BODY, message_id=str(number)), n - 1, WINDOW)
        taken = time.process_time() - cpu
        await ours.close()
        return begun, taken
    connection = await aio_pika.connect(url)
    exchange = (await connection.channel()).default_exchange

    async def one(number: object) -> None:
        message = aio_pika.Message(BODY, delivery_mode=2, message_id=str(number), content_type="application/json")
        await exchange.publish(message, queue)

    await one("first")
    begun, cpu = time.time(), time.process_time()
    await _many(one, n - 1, 1 if way == "single" else WINDOW)
    taken = time.process_time() - cpu
    await connection.close()
    return begun, taken


async def consume(way: str, url: str, queue: str, n: int) -> tuple[float, float]:
    """Consume and acknowledge `n` events; return when the last was, and the CPU seconds it took."""
    done = asyncio.Event()
    n_acked = 0
    cpu = 0.0

    def count() -> None:
        nonlocal n_acked, cpu
        n_acked += 1
        if n_acked == 1:
            cpu = time.process_time()
        if n_acked == n:
            done.set()

    if way == "ours":
        ours = await Connection.connect(url)
        tasks: set[asyncio.Task[None]] = set()

        async def settle(delivery: Delivery) -> None:
            await delivery.ack()
            count()

        def take(delivery: Delivery) -> None:
            task = asyncio.create_task(settle(delivery))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        await ours.consume(queue, take, prefetch=WINDOW)
        print("ready", flush=True)
        await done.wait()
        ended, taken = time.time(), time.process_time() - cpu
        await ours.close()
        return ended, taken

    async def on_message(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await message.ack()
        count()

    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    await channel.set_qos(1 if way == "single" else WINDOW)
    await (await channel.get_queue(queue, ensure=False)).consume(on_message)
    print("ready", flush=True)
    await done.wait()
    ended, taken = time.time(), time.process_time() - cpu
    await channel.close()
    await connection.close()
    return ended, taken


@dataclass(frozen=True, slots=True)
class Round:
    """One pass of all events."""

    rate: float
    publisher_cpu_us: float
    consumer_cpu_us: float


async def _with_queue(url: str, queue: str, *, delete: bool = False) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        if delete:
            await channel.queue_delete(queue)
        else:
            await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})


def measured(way: str, url: str, n: int) -> Round:
    """Pass `n` events through a fresh queue."""
    queue = f"bench.{uuid.uuid4().hex}"
    asyncio.run(_with_queue(url, queue))

    def started(role: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.bench.eventpath", "--role", role, "--way", way, "--queue", queue]
        # The URL has a password, which is not for the list of processes.
        process = subprocess.Popen(
            [*command, "--events", str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        process.stdin.write(url + "\n")
        process.stdin.flush()
        return process

    consumer = started("consume")
    assert consumer.stdout is not None
    assert consumer.stdout.readline() == "ready\n"
    publisher = started("publish")
    begun, publisher_cpu_s = map(float, publisher.communicate(timeout=300)[0].split())
    ended, consumer_cpu_s = map(float, consumer.communicate(timeout=300)[0].split())
    asyncio.run(_with_queue(url, queue, delete=True))
    return Round(n / (ended - begun), publisher_cpu_s / n * 1e6, consumer_cpu_s / n * 1e6)


def _table(n: int, repeat: int, url: str) -> Table:
    rounds: dict[str, list[Round]] = {way: [] for way in WAYS}
    for _ in range(repeat):  # alternating: what slows the machine for a while slows all alike
        for way, (_, share) in WAYS.items():
            rounds[way].append(measured(way, url, max(10, int(n * share))))
    base = statistics.median(each.rate for each in rounds["single"])
    table = Table(
        "client", "events/s", "/ one at a time", "publisher CPU us", "consumer CPU us", title=f"event path, n = {n}"
    )
    for way, (name, _) in WAYS.items():
        rate = statistics.median(each.rate for each in rounds[way])
        table.add_row(
            name,
            f"{rate:.0f}",
            f"{rate / base:.1f}",
            f"{statistics.median(each.publisher_cpu_us for each in rounds[way]):.0f}",
            f"{statistics.median(each.consumer_cpu_us for each in rounds[way]):.0f}",
        )
    return table


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table; or, as a child of it, one of the two roles."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--role", choices=["publish", "consume"])
    parser.add_argument("--way", choices=[*WAYS])
    parser.add_argument("--queue")
    options = parser.parse_args(arguments)
    if options.role:
        role = publish if options.role == "publish" else consume
        print(*asyncio.run(role(options.way, sys.stdin.readline().strip(), options.queue, options.events)))
        return
    console = Console()
    installed = prepare_servers(console, os.environ)
    with run_directory() as directory, running_services(installed, directory, with_condor=False) as services:
        console.print(_table(options.events, options.repeat, services.rabbitmq.data_url))


if __name__ == "__main__":
    main()
