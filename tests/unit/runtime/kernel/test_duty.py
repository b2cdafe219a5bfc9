"""One of several processes works, and the others stand by: on a database in memory."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from runtime.kernel.duty import take_duty
from runtime.kernel.duty_rules import DutyDocument, Sighting, may_take, update_sighting
from schemas.errors import Conflict, Unavailable

QUICK_S = 0.01


class OneDocument:
    """A store of one document."""

    def __init__(self) -> None:
        self.document: dict[str, Any] | None = None
        self.is_away = False

    async def find_one(self, _: str, __: Mapping[str, Any]) -> dict[str, Any] | None:
        self._check()
        return self.document and dict(self.document)

    async def insert_one(self, _: str, document: dict[str, Any]) -> None:
        self._check()
        if self.document is not None:
            raise Conflict("it is there")
        self.document = dict(document)

    async def compare_and_set(self, _: str, query: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
        self._check()
        here = self.document
        if here is None or any(here[name] != value for name, value in query.items()):
            return False
        here |= change.get("$set", {})
        here["n"] += change.get("$inc", {}).get("n", 0)
        return True

    def _check(self) -> None:
        if self.is_away:
            raise Unavailable("the database is away")


async def test_the_second_process_begins_when_the_first_has_ended() -> None:
    store: Any = OneDocument()
    waits, works = asyncio.Event(), asyncio.Event()

    async def follow() -> None:
        async with take_duty(store, "mqs", on_standby=waits.set, renew_s=QUICK_S):
            works.set()

    async with take_duty(store, "mqs", renew_s=QUICK_S) as duty:
        following = asyncio.create_task(follow())
        await waits.wait()
        n = store.document["n"]
        while store.document["n"] < n + 5:
            await asyncio.sleep(QUICK_S)
        assert duty.is_held
        assert not works.is_set()
    await following
    assert works.is_set()
    assert not duty.is_held


async def test_a_process_that_another_one_has_replaced_stops_its_work() -> None:
    store: Any = OneDocument()
    ended: list[bool] = []

    async def work() -> None:
        async with take_duty(store, "mqs", renew_s=QUICK_S) as duty, AsyncExitStack() as stack:
            stack.callback(lambda: ended.append(duty.is_held))
            store.document["holder"] = "another"
            await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="another process has taken over"):
        await work()
    assert ended == [False]
    assert store.document["holder"] == "another"


async def test_a_process_keeps_its_duty_while_the_database_is_away() -> None:
    store: Any = OneDocument()
    async with take_duty(store, "mqs", renew_s=QUICK_S) as duty:
        store.is_away = True
        await asyncio.sleep(5 * QUICK_S)
        store.is_away = False
        n = store.document["n"]
        while store.document["n"] == n:
            await asyncio.sleep(QUICK_S)
        assert duty.is_held


async def test_a_cancelled_process_is_cancelled_and_not_replaced() -> None:
    store: Any = OneDocument()

    async def work() -> None:
        async with take_duty(store, "mqs", renew_s=QUICK_S):
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    while store.document is None:
        await asyncio.sleep(QUICK_S)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert store.document["holder"] == ""


HELD = DutyDocument("one", "", 7)


@pytest.mark.parametrize(
    ("duty", "for_s", "is_gone", "expected"),
    [
        (HELD, 0.0, False, False),
        (HELD, 4.9, False, False),
        (HELD, 5.0, False, True),
        (HELD, 0.0, True, True),
        (DutyDocument("", "", 7), 0.0, False, True),
    ],
)
def test_a_process_takes_over_from_one_that_is_silent_or_gone(
    duty: DutyDocument, for_s: float, is_gone: bool, expected: bool
) -> None:
    assert may_take(Sighting(duty, 100.0), 100.0 + for_s, is_gone=is_gone) is expected


def test_a_holder_that_goes_on_is_not_silent() -> None:
    seen = update_sighting(None, HELD, 100.0)
    assert update_sighting(seen, HELD, 104.0) == seen
    assert update_sighting(seen, DutyDocument("one", "", 8), 104.0).since_s == 104.0


async def test_a_process_goes_on_if_the_database_is_emptied() -> None:
    store: Any = OneDocument()
    async with take_duty(store, "mqs", renew_s=QUICK_S) as duty:
        holder = store.document["holder"]
        store.document = None
        while store.document is None or store.document["n"] < 3:
            await asyncio.sleep(QUICK_S)
        assert duty.is_held
        assert store.document["holder"] == holder
