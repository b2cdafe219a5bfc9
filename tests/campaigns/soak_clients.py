"""The users of `make soak`, a process each: one sends events through, one begins and ends workflows.

    python -m tests.campaigns.soak_clients events|churn

The server and the token come from the environment. Each writes what it has done as a line of JSON every few seconds;
when its standard input ends it finishes what it began, and writes the last line.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from ewms import AsyncClient, EWMSError, Task, Workflow
from ewms.workflows.run import AsyncRun

#: Answers each line with its own data, in the shell's own words: nothing is started for an event.
_ECHO = """while read -r line; do data=${line#*,\\"data\\":}; echo "${line%%,*},\\"data\\":${data%?}}"; done"""

_SAY_EVERY_S = 2.0
#: No more than so many events are under way: what the system cannot carry is not sent.
_MOST_UNDER_WAY = 2000
_DRAIN_S = 180.0

Say = Callable[[dict[str, Any]], None]


def warm_task(cluster: str, n_workers: int) -> Task:
    """Return the task that gives each event back."""
    return Task(
        image="none",
        args=f"sh -c '{_ECHO}'",
        inputs=["in"],
        outputs=["out"],
        clusters=[cluster],
        n_workers=n_workers,
        memory="64M",
        disk="64M",
        max_runtime="12h",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none", "EWMS_PILOT_TASK_MODE": "stream"},
    )


async def run_events(cluster: str, rate: float, say: Say, ended: asyncio.Event) -> None:
    """Send `rate` events a second through one workflow until `ended`; then take what is still under way."""
    async with AsyncClient(timeout=120) as ews:
        run = await ews.submit(Workflow(public=["in", "out"], tasks=[warm_task(cluster, n_workers=2)]))
        say({"workflow": run.id})
        #: Numbers sent and not back; a number that comes when it is not here has come twice.
        under_way: set[int] = set()
        counts: Counter[str] = Counter()

        def told() -> dict[str, Any]:
            return {"at": time.time(), "received": counts["received"], "repeated": counts["repeated"]}

        async def collect() -> None:
            async with run.queue("out").results() as results:
                async for event in results:
                    number = event.body["n"]
                    counts["received" if number in under_way else "repeated"] += 1
                    under_way.discard(number)

        async with asyncio.TaskGroup() as group:
            collecting = group.create_task(collect())
            reporting = group.create_task(_repeat(_SAY_EVERY_S, lambda: _said(say, told)))
            counts["confirmed"] = await _publish(run, rate, under_way, ended)
            deadline = time.monotonic() + _DRAIN_S
            while under_way and time.monotonic() < deadline:
                await asyncio.sleep(0.2)
            reporting.cancel()
            collecting.cancel()
        await run.finish()
        with suppress(EWMSError):
            await run.wait("over", timeout=120)
        say({**told(), "confirmed": counts["confirmed"], "is_last": True})


async def _publish(run: AsyncRun, rate: float, under_way: set[int], ended: asyncio.Event) -> int:
    """Publish until `ended`; return how many events the broker has confirmed."""
    n_sent = 0
    async with run.queue("in").publisher() as publisher:
        began = time.monotonic()
        while not ended.is_set():
            due = int((time.monotonic() - began) * rate) - n_sent
            for _ in range(max(0, min(due, _MOST_UNDER_WAY - len(under_way)))):
                under_way.add(n_sent)
                await publisher.send({"n": n_sent, "text": "x" * 100})
                n_sent += 1
            if due > rate:
                # What could not be sent in time is not made up for: the rate is a ceiling.
                began = time.monotonic() - n_sent / rate
            await asyncio.sleep(0.02)
    return publisher.n_confirmed


async def run_churn(cluster: str, say: Say, ended: asyncio.Event) -> None:
    """Begin and end workflows, ask and look, until `ended`."""
    counts: Counter[str] = Counter()
    async with AsyncClient(timeout=120) as ews, asyncio.TaskGroup() as group:
        #: The workflow that is being looked at.
        current: list[AsyncRun] = []

        async def look() -> None:
            for run in current[-1:]:
                await run.depths()
                await run.show()
                await run.queue("in").profile()  # with a fresh token
                await ews.workflows({"workflow_id": run.id})
                counts["looks"] += 1

        async def abandon() -> None:
            run = await ews.submit(Workflow(public=["in", "out"], tasks=[warm_task(cluster, n_workers=1)]))
            current.append(run)
            await run.wait("active", timeout=60)
            await run.depths()
            await run.abort()
            counts["aborted"] += 1
            del current[:-1]

        async def complete() -> None:
            run = await ews.submit(Workflow(public=["in", "out"], tasks=[warm_task(cluster, n_workers=1)]))
            async with run.queue("in").publisher() as publisher:
                for number in range(5):
                    await publisher.send({"n": number})
            async for _ in run.queue("out").results(n=5, idle_timeout=120):
                pass
            await run.finish()
            await run.wait("over", timeout=120)
            counts["finished"] += 1

        async def attempted(do: Callable[[], Awaitable[None]]) -> None:
            try:
                await do()
            except EWMSError as error:
                counts["failed"] += 1
                sys.stderr.write(f"{do.__name__}: {error.reason}\n")

        async def tell() -> None:
            say(dict(counts))

        rounds = [
            group.create_task(_repeat(pause_s, lambda do=do: attempted(do), ended))  # type: ignore[misc]
            for pause_s, do in ((0.5, look), (3.0, abandon), (5.0, complete))
        ]
        telling = group.create_task(_repeat(_SAY_EVERY_S, tell))
        await asyncio.wait(rounds)
        telling.cancel()
    say({**counts, "is_last": True})


async def _repeat(pause_s: float, do: Callable[[], Awaitable[None]], ended: asyncio.Event | None = None) -> None:
    while ended is None or not ended.is_set():
        await do()
        await asyncio.sleep(pause_s)


async def _said(say: Say, told: Callable[[], dict[str, Any]]) -> None:
    say(told())


async def _main(role: str) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Nothing is ever written there: it ends when the campaign wants this process to end, or has died.
    loop.add_reader(sys.stdin.fileno(), lambda: (ended.set(), loop.remove_reader(sys.stdin.fileno())))

    def say(what: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    cluster = os.environ["EWMS_CLUSTER"]
    if role == "events":
        await run_events(cluster, float(os.environ["SOAK_RATE"]), say, ended)
    else:
        await run_churn(cluster, say, ended)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
