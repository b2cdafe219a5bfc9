"""Many watchers of all workflows, and the CPU that they cost the gateway."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from typing import Any

import httpx2

from tests.bench.peers.process_time import measure_cpu_s

#: The gateway gives one caller at most so many streams.
_OF_CALLER = 8
#: While watchers watch, one workflow changes each time.
_CHANGE_EVERY_S = 1.0
_PATIENCE_S = 60


class CpuMeter:
    """Measures the CPU of a process beyond what it takes anyway, as a share of a core."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._idle = 0.0

    def note_idle(self, wait: Callable[[], object]) -> None:
        """Measure what the process takes during `wait`. From now on that is taken off."""
        self._idle = 0.0
        end = self.begin()
        wait()
        self._idle = end()

    def begin(self) -> Callable[[], float]:
        """Begin to measure. The result ends it, and returns the share beyond the idle one."""
        began, cpu_s = time.monotonic(), measure_cpu_s([self._pid])
        return lambda: (measure_cpu_s([self._pid]) - cpu_s) / (time.monotonic() - began) - self._idle


class Watchers:
    """Streams of `GET /v1/events`, by as many callers as the gateway's limit asks for, all with the same rights."""

    def __init__(self, gateway: str, mint: Callable[[int], str], workflows: Any) -> None:
        """`mint` makes the token of the caller with a number. `workflows` is the collection in which one changes."""
        self._gateway = gateway
        self._mint = mint
        self._workflows = workflows
        self._n_heard: list[int] = []

    async def measure_share(self, n: int, meter: CpuMeter, seconds: float) -> float:
        """Return the share of a core that the gateway spends on `n` watchers while a workflow changes each second.

        Raises:
            AssertionError: a watcher heard nothing of the changes.
        """
        self._n_heard = [0] * n
        async with httpx2.AsyncClient(base_url=self._gateway, timeout=_PATIENCE_S, limits=_unlimited(n)) as client:
            tokens = [self._mint(number) for number in range(-(-n // _OF_CALLER))]
            watching = [asyncio.create_task(self._watch(client, tokens[k // _OF_CALLER], k)) for k in range(n)]
            try:
                await self._wait_for_first(watching)
                before = list(self._n_heard)
                end = meter.begin()
                await self._change_for(seconds)
                share = end()
                assert all(now > then for now, then in zip(self._n_heard, before, strict=True)), (
                    "a watcher heard nothing"
                )
            finally:
                for task in watching:
                    task.cancel()
                await asyncio.gather(*watching, return_exceptions=True)
        return share

    async def _watch(self, client: httpx2.AsyncClient, token: str, place: int) -> None:
        async with client.stream("GET", "/v1/events", headers={"Authorization": f"Bearer {token}"}) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                self._n_heard[place] += line.startswith("data:")

    async def _wait_for_first(self, watching: list[asyncio.Task[None]]) -> None:
        """Wait until every watcher has the list, which is what a stream begins with."""
        async with asyncio.timeout(_PATIENCE_S):
            while not all(self._n_heard):
                for task in watching:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.1)

    async def _change_for(self, seconds: float) -> None:
        """Change the priority of one workflow again and again, directly in the database: that costs no request."""
        one = await asyncio.to_thread(self._workflows.find_one, {}, {"_id": 1})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for priority in itertools.count(1):
                    change = {"$set": {"priority": priority % 100}}
                    await asyncio.to_thread(self._workflows.update_one, {"_id": one["_id"]}, change)
                    await asyncio.sleep(_CHANGE_EVERY_S)


def _unlimited(n: int) -> httpx2.Limits:
    return httpx2.Limits(max_connections=n + 1, max_keepalive_connections=0)
