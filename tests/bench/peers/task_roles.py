"""The roles of task queues on the event path, in the peers' environment: send tasks that do nothing, or run them.

    python -m tests.bench.peers.task_roles publish|consume celery|dramatiq|faststream QUEUE EVENTS WINDOW

The broker's URL is the first line of the input. Both roles print the time of the day and the CPU seconds since their
first task; the worker prints `ready` before. All publish persistent messages with confirms, and acknowledge a message
after its task. Celery and Dramatiq send one message at a time, because their clients know no other way, and use a
classic queue; FastStream keeps `WINDOW` messages unconfirmed, on a quorum queue. A worker has one process.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

PAYLOAD = '{"x": 1.0}' * 102


class Count:
    """Counts tasks, and ends the process after the last one."""

    def __init__(self, n: int) -> None:
        self._n_left = n
        self._cpu_s: float | None = None
        self.is_done = threading.Event()

    def add_task(self) -> None:
        """Count a task that has run."""
        if self._cpu_s is None:
            self._cpu_s = time.process_time()
        self._n_left -= 1
        if self._n_left == 0:
            print(time.time(), time.process_time() - self._cpu_s, flush=True)
            self.is_done.set()


def send_all(send: Callable[[], object], n: int) -> None:
    """Send `n` tasks one after the other, and print when the second began."""
    send()
    begun_s, cpu_s = time.time(), time.process_time()
    for _ in range(n - 1):
        send()
    print(begun_s, time.process_time() - cpu_s)


def run_celery(role: str, url: str, queue: str, n: int, window: int) -> None:
    """Be one role of Celery. Its pool `solo` runs tasks in the worker's own process."""
    from celery import Celery

    app = Celery("bench", broker=url)
    app.conf.update(
        task_default_queue=queue,
        task_ignore_result=True,
        task_acks_late=True,
        broker_transport_options={"confirm_publish": True},
        worker_prefetch_multiplier=window,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
    )
    count = Count(n)

    @app.task(name="noop")
    def noop(_: str) -> None:
        count.add_task()

    if role == "publish":
        send_all(lambda: noop.delay(PAYLOAD), n)
        return
    from celery.signals import worker_ready

    worker_ready.connect(lambda **_: print("ready", flush=True), weak=False)
    threading.Thread(target=lambda: (count.is_done.wait(), time.sleep(0.5), os._exit(0)), daemon=True).start()
    app.worker_main(
        ["-q", "worker", "-P", "solo", "-l", "ERROR", "--without-mingle", "--without-gossip", "--without-heartbeat"]
    )


def run_dramatiq(role: str, url: str, queue: str, n: int, window: int) -> None:
    """Be one role of Dramatiq. Its worker has one thread for tasks."""
    os.environ["dramatiq_queue_prefetch"] = str(window)  # noqa: SIM112 - Dramatiq's own name
    import dramatiq
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    broker = RabbitmqBroker(url=url, confirm_delivery=True, middleware=[])
    dramatiq.set_broker(broker)
    count = Count(n)

    @dramatiq.actor(queue_name=queue)
    def noop(_: str) -> None:
        count.add_task()

    if role == "publish":
        send_all(lambda: noop.send(PAYLOAD), n)
        return
    worker = dramatiq.Worker(broker, worker_threads=1)
    worker.start()
    print("ready", flush=True)
    count.is_done.wait()
    worker.stop()


async def run_faststream(role: str, url: str, queue: str, n: int, window: int) -> None:
    """Be one role of FastStream."""
    from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue

    broker = RabbitBroker(url, default_channel=Channel(prefetch_count=window), logger=None)
    where = RabbitQueue(queue, durable=True, queue_type=QueueType.QUORUM)
    count = Count(n)
    if role == "publish":
        await broker.connect()

        async def send(_: Any = None) -> None:
            await broker.publish(PAYLOAD, where, persist=True, mandatory=True)

        await send()
        numbers = iter(range(n - 1))

        async def send_in_turn() -> None:
            for _ in numbers:
                await send()

        begun_s, cpu_s = time.time(), time.process_time()
        await asyncio.gather(*(send_in_turn() for _ in range(window)))
        print(begun_s, time.process_time() - cpu_s)
        await broker.stop()
        return

    @broker.subscriber(where)
    async def noop(_: str) -> None:
        count.add_task()

    await broker.start()
    print("ready", flush=True)
    while not count.is_done.is_set():
        await asyncio.sleep(0.05)
    await broker.stop()


if __name__ == "__main__":
    wanted, peer, its_queue, n_tasks, at_once = sys.argv[1:]
    arguments = (wanted, sys.stdin.readline().strip(), its_queue, int(n_tasks), int(at_once))
    if peer == "faststream":
        asyncio.run(run_faststream(*arguments))
    else:
        (run_celery if peer == "celery" else run_dramatiq)(*arguments)
