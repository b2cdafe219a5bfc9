"""What the pilot costs: per event over a bare spawn and beside a plain loop, its rates, its latency, its start.

    python -m tests.bench.pilot [--events N] [--repeat R]

Goals (docs/reference/goals.md): at one at a time <= 6 ms wall and <= 3 ms CPU over the spawn, then <= 3.5 ms; the
rate never falls with concurrency; a trickle passes in p99 <= 50 ms; start to first output <= 0.5 s; exit within 0.2 s
of the idle timeout.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aio_pika
from rich.console import Console

from deploy.local.fetch.cache import cache_directory, prepare_cache
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.system.services import running_services
from tests.integration.pilot.field import Field, opened

PAYLOAD = b'{"x": 1.0}' * 100
CP = {"EWMS_PILOT_TASK_ARGS": "cp {{INFILE}} {{OUTFILE}}"}
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process itself, its children apart."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


async def bare_spawn(n: int, directory: Path) -> tuple[float, float]:
    """Return wall and CPU seconds of one posix_spawn of `cp` watched by a pidfd."""
    source, target = directory / "source", directory / "target"
    source.write_bytes(PAYLOAD)
    loop = asyncio.get_running_loop()
    argv = ["/bin/cp", str(source), str(target)]
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    for _ in range(n):
        pid = os.posix_spawn("/bin/cp", argv, {"PATH": "/bin"})
        fd = os.pidfd_open(pid)
        ended = loop.create_future()
        loop.add_reader(fd, ended.set_result, None)
        await ended
        loop.remove_reader(fd)
        os.close(fd)
        os.waitpid(pid, 0)
    return (time.perf_counter() - begun_s) / n, (time.process_time() - begun_cpu_s) / n


class Arrivals:
    """Notes when outputs arrive."""

    def __init__(self, n: int) -> None:
        self.at_s: list[float] = []
        self.bodies: list[bytes] = []
        self._n = n
        self._enough = asyncio.Event()
        self.first = asyncio.Event()

    async def on_message(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        self.at_s.append(time.perf_counter())
        self.bodies.append(message.body)
        self.first.set()
        if len(self.at_s) >= self._n:
            self._enough.set()

    async def all(self) -> None:
        async with asyncio.timeout(300):
            await self._enough.wait()


@asynccontextmanager
async def listened(field: Field, sink: str, n: int) -> AsyncIterator[Arrivals]:
    """Give what notes the next `n` events of a queue."""
    arrivals = Arrivals(n)
    channel = await field.connection.channel()
    queue = await channel.get_queue(sink, ensure=False)
    await queue.consume(arrivals.on_message, no_ack=True)
    yield arrivals
    await channel.close()


async def steady(
    field: Field, n: int, start: Callable[[Any, Any], Any], payload: bytes = PAYLOAD
) -> tuple[float, float]:
    """Return wall and own CPU seconds an event, from the first output to the last of `n`."""
    source, sink = await field.queue(), await field.queue()
    await field.put(source, *[payload] * n)
    async with listened(field, sink, n) as arrivals:
        pid, end = await start(source, sink)
        await arrivals.first.wait()
        begun_cpu_s, begun = cpu_s(pid), len(arrivals.at_s)
        await arrivals.all()
        used_s = cpu_s(pid) - begun_cpu_s
        await end()
    return (arrivals.at_s[-1] - arrivals.at_s[0]) / (n - 1), used_s / (n - begun)


def with_pilot(field: Field, **variables: Any) -> Callable[[Any, Any], Any]:
    async def start(source: Any, sink: Any) -> Any:
        pilot = await field.pilot(
            {**CP, "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 5, "EWMS_PILOT_HTCHIRP_RATELIMIT_INTERVAL": 60, **variables},
            inputs=[source],
            outputs=[sink],
        )

        async def end() -> None:
            pilot.process.terminate()
            await pilot.ended()

        return pilot.process.pid, end

    return start


def with_plain_loop(field: Field, directory: Path) -> Callable[[Any, Any], Any]:
    async def start(source: Any, sink: Any) -> Any:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.pilot_plain", field.url, source, sink, str(directory)
        )

        async def end() -> None:
            process.kill()
            await process.wait()

        return process.pid, end

    return start


async def trickle(field: Field, n: int, concurrency: int) -> list[float]:
    """Return the seconds from the publish of single events to their outputs."""
    source, sink = await field.queue(), await field.queue()
    variables = {"EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 10, "EWMS_PILOT_MAX_CONCURRENT_TASKS": concurrency}
    async with listened(field, sink, n) as arrivals:
        pilot = await field.pilot({**CP, **variables}, inputs=[source], outputs=[sink])
        await pilot.until(lambda pilot: "AwaitingFirstMessage" in pilot.statuses())
        sent_s: dict[bytes, float] = {}
        for number in range(n):
            body = b"%d" % number
            sent_s[body] = time.perf_counter()
            await field.put(source, body)
            await asyncio.sleep(0.03)
        await arrivals.all()
        pilot.process.terminate()
        await pilot.ended()
    return sorted(at - sent_s[body] for at, body in zip(arrivals.at_s, arrivals.bodies, strict=True))


async def start_and_exit(field: Field) -> tuple[float, float]:
    """Return the seconds from a pilot's start to its first output, and from its idle timeout to its end."""
    source, sink = await field.queue(), await field.queue()
    await field.put(source, PAYLOAD)
    async with listened(field, sink, 1) as arrivals:
        begun_s = time.perf_counter()
        pilot = await field.pilot({**CP, "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 1}, inputs=[source], outputs=[sink])
        await arrivals.all()
        await pilot.ended()
    ended_s = time.perf_counter()
    return arrivals.at_s[0] - begun_s, ended_s - arrivals.at_s[0] - 1.0


async def measure(field: Field, n: int, repeat: int) -> None:
    bare, pilot, plain = [], [], []
    for _ in range(repeat):
        with scratch() as directory:
            bare.append(await bare_spawn(200, directory))
            pilot.append(await steady(field, n, with_pilot(field)))
            plain.append(await steady(field, n, with_plain_loop(field, directory)))
    bare_wall, bare_cpu = (statistics.median(column) for column in zip(*bare, strict=True))
    print(f"\nload {os.getloadavg()[0]:.2f}; {n} events of {len(PAYLOAD)} bytes, median of {repeat}; ms an event")
    print(f"  bare posix_spawn of cp       wall {bare_wall * 1e3:6.2f}   cpu {bare_cpu * 1e3:5.2f}")
    for name, figures in (("pilot, 1 at a time", pilot), ("plain aio-pika loop", plain)):
        wall, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
        print(
            f"  {name:<28} wall {wall * 1e3:6.2f}   cpu {cpu * 1e3:5.2f}   "
            f"over the spawn: {(wall - bare_wall) * 1e3:5.2f} wall, {(cpu - bare_cpu) * 1e3:5.2f} cpu"
            f"   x{wall / bare_wall:.1f}"
        )
    for what, variables in (("cp", {}), ("sleep 0.05; cp", {"EWMS_PILOT_TASK_ARGS": SLEEPY})):
        rates = []
        for concurrency in (1, 4, 8):
            start = with_pilot(field, EWMS_PILOT_MAX_CONCURRENT_TASKS=concurrency, **variables)
            wall, _ = await steady(field, n, start)
            rates.append(1 / wall)
        print(f"  rate at 1, 4, 8 at once ({what}): " + ", ".join(f"{rate:.0f}/s" for rate in rates))
    for concurrency in (1, 4):
        latencies = await trickle(field, 200, concurrency)
        print(
            f"  trickle at {concurrency}: p50 {latencies[len(latencies) // 2] * 1e3:.1f} ms, "
            f"p99 {latencies[int(len(latencies) * 0.99)] * 1e3:.1f} ms (goal 50)"
        )
    starts = [await start_and_exit(field) for _ in range(repeat)]
    first, end = (statistics.median(column) for column in zip(*starts, strict=True))
    print(f"  start to first output {first:.2f} s (goal 0.5); exit {end:.2f} s after the idle timeout (goal 0.2)")


SLEEPY = "sh -c 'sleep 0.05; cp {{INFILE}} {{OUTFILE}}'"


@contextmanager
def scratch() -> Any:
    with tempfile.TemporaryDirectory(prefix="ewms-bench-") as directory:
        yield Path(directory)


def main(arguments: list[str] | None = None) -> None:
    """Start the broker, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args(arguments)
    with (
        run_directory() as run,
        running_services(prepare_cache(cache_directory(os.environ), Console(stderr=True)), run) as services,
    ):
        broker = services.rabbitmq
        with BrokerAdmin(broker.management_url("admin")) as admin:
            admin.add_vhosts(list(broker.users), control_vhost="bench-control", data_vhost="bench-data")

        async def run_all() -> None:
            with scratch() as directory:
                async with opened(broker, "bench-data", directory) as field:
                    await measure(field, options.events, options.repeat)

        asyncio.run(run_all())


if __name__ == "__main__":
    main()
