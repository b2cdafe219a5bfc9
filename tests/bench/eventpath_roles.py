"""The roles of the event path: publish with confirm, or consume and acknowledge, with `runtime.amqp` or aio-pika.

    python -m tests.bench.eventpath_roles publish|consume ours|pipelined|single QUEUE EVENTS WINDOW

The broker's URL is the first line of the input. Both roles print the time of the day and the CPU seconds since their
first event; the consumer prints `ready` before. `tests/bench/amqp_limit.c` and `tests/bench/peers/task_roles.py` do the
same.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import aio_pika

from runtime.amqp import Connection, Delivery

BODY = b'{"x": 1.0}' * 102


async def _publish_many(publish: Callable[[int], Awaitable[object]], n: int, n_at_once: int) -> None:
    numbers = iter(range(n))

    async def worker() -> None:
        for number in numbers:
            await publish(number)

    await asyncio.gather(*(worker() for _ in range(n_at_once)))


async def publish(way: str, url: str, queue: str, n: int, window: int) -> tuple[float, float]:
    """Publish `n` events; return when that began, and the CPU seconds it took."""
    if way == "ours":
        ours = await Connection.connect(url)
        publisher = ours.open_publisher(window=window)
        await publisher.publish("", queue, BODY, message_id="first")
        begun, cpu = time.time(), time.process_time()
        await _publish_many(lambda number: publisher.publish("", queue, BODY, message_id=str(number)), n - 1, window)
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
    await _publish_many(one, n - 1, 1 if way == "single" else window)
    taken = time.process_time() - cpu
    await connection.close()
    return begun, taken


async def consume(way: str, url: str, queue: str, n: int, window: int) -> tuple[float, float]:
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

        await ours.consume(queue, take, prefetch=window)
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
    await channel.set_qos(1 if way == "single" else window)
    await (await channel.get_queue(queue, ensure=False)).consume(on_message)
    print("ready", flush=True)
    await done.wait()
    ended, taken = time.time(), time.process_time() - cpu
    await channel.close()
    await connection.close()
    return ended, taken


if __name__ == "__main__":
    wanted, way, queue, n, window = sys.argv[1:]
    role = publish if wanted == "publish" else consume
    print(*asyncio.run(role(way, sys.stdin.readline().strip(), queue, int(n), int(window))))
