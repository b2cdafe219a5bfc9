"""A clock that notices that its process stood still."""

import asyncio
import time

from ewms.worker.standstill import StandstillClock


async def test_a_process_that_moves_has_not_stood_still() -> None:
    clock = StandstillClock()
    clock.start()
    assert not clock.has_stood_still()
    await clock.stop()


async def test_a_standstill_is_known_at_once_and_remembered_after_the_next_tick() -> None:
    clock = StandstillClock()
    clock.start()
    await asyncio.sleep(0)
    time.sleep(1.6)
    assert clock.has_stood_still()
    await asyncio.sleep(0.01)
    assert clock.has_stood_still()
    await clock.stop()
