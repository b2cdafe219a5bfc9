"""The watch over a worker's memory goes on whatever one look raises."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pilot.containers.memory_limit import MemoryExcess
from pilot.containers.memory_watch import MemoryWatch


async def test_a_look_that_fails_is_logged_once_and_the_next_ones_are_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    killed = asyncio.Event()
    child = SimpleNamespace(pid=7, has_ended=False, failure=None, on_failure=lambda failure: None)
    children = SimpleNamespace(running=[child], on_killed=None, kill_child=lambda child: killed.set())
    watch = MemoryWatch(cast(Any, children), 100, interval_s=0.001)
    n_looks = 0

    def look(containers: list[int]) -> MemoryExcess | None:
        nonlocal n_looks
        n_looks += 1
        if n_looks < 5:
            raise RuntimeError("a file of /proc says what nobody expects")
        return MemoryExcess(7, 200)

    monkeypatch.setattr(watch, "_measure_excess", look)
    with caplog.at_level(logging.ERROR):
        watch.start_watching()
        await asyncio.wait_for(killed.wait(), 30)
        await watch.stop_watching()
    assert [record.message for record in caplog.records] == ["the memory watch of this worker failed"]
    assert child.failure is not None
