"""Timers: what asks to be woken is woken, when its time has come, until it asks no more."""

import asyncio
import signal
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.local.system.services import Services
from runtime.kernel.decision import Decision, Insert, Update
from runtime.kernel.store import Store, Transaction
from runtime.kernel.timers import NoRoom, Timers
from schemas.errors import Conflict, Unavailable
from tests.waiting import eventually


class Clock:
    """Wakes documents of `things`; each time it notes when, and removes or moves `wake_at`."""

    def __init__(self, store: Store, stack: AsyncExitStack) -> None:
        self.store = store
        self.woken: list[tuple[Any, float]] = []
        self.errors: dict[Any, Exception] = {}
        self.again_after_s: dict[Any, float] = {}
        self.timers = Timers(store, "things", self.wake)
        self._stack = stack

    def start(self) -> None:
        """Start for the test."""
        self.timers.start()
        self._stack.push_async_callback(self.timers.stop)

    @property
    def keys(self) -> list[Any]:
        """Return what was woken, in order."""
        return [key for key, _ in self.woken]

    async def wake(self, key: Any) -> None:
        self.woken.append((key, asyncio.get_running_loop().time()))
        if key in self.errors:
            raise self.errors[key]

        async def step(_: Transaction) -> Decision:
            if key in self.again_after_s:
                at = datetime.now(UTC) + timedelta(seconds=self.again_after_s.pop(key))
                return Decision((Update("things", key, set={"wake_at": at}),))
            return Decision((Update("things", key, unset=("wake_at",)),))

        await self.store.transact(step)

    async def put(self, key: Any, after_s: float) -> None:
        """Add a document that wants to be woken."""
        at = datetime.now(UTC) + timedelta(seconds=after_s)

        async def step(_: Transaction) -> Decision:
            return Decision((Insert("things", {"_id": key, "name": str(key), "wake_at": at}),))

        await self.store.transact(step)


async def test_what_is_due_is_woken_at_its_time_and_once(store: Store, stack: AsyncExitStack) -> None:
    clock = Clock(store, stack)
    await clock.put("overdue", -60)
    clock.start()
    began = asyncio.get_running_loop().time()
    await clock.put("later", 1.0)
    await clock.put("sooner", 0.4)
    await clock.put("never", 3600)
    await eventually(lambda: len(clock.woken) == 3)
    assert clock.keys == ["overdue", "sooner", "later"]
    at = {key: when - began for key, when in clock.woken}
    assert 0.3 <= at["sooner"] < 0.9
    assert 0.9 <= at["later"] < 1.5
    await asyncio.sleep(0.5)
    assert len(clock.woken) == 3


async def test_commits_of_documents_that_are_due_later_cost_no_look_at_the_database(
    store: Store, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(store, stack)
    looks: list[str] = []
    find = store.find

    async def find_and_note(collection: str, *args: Any, **kwargs: Any) -> Any:
        looks.append(collection)
        return await find(collection, *args, **kwargs)

    monkeypatch.setattr(store, "find", find_and_note)
    clock.start()
    await eventually(lambda: len(looks) >= 2)
    n_at_start = len(looks)
    for number, after_s in enumerate((29.0, 28.0, 27.0, 26.0)):
        await clock.put(number, after_s)
        # The commit has woken the loop: do what the loop does then.
        await clock.timers._wake_due()
    assert len(looks) == n_at_start
    await clock.put("soon", 0.3)
    await eventually(lambda: clock.keys == ["soon"])


async def test_a_document_that_asks_again_is_woken_again(store: Store, stack: AsyncExitStack) -> None:
    clock = Clock(store, stack)
    clock.start()
    clock.again_after_s["a"] = 0.3
    await clock.put("a", 0.1)
    await eventually(lambda: clock.keys == ["a", "a"])


async def test_documents_that_cannot_be_woken_neither_stop_nor_delay_the_others(
    store: Store, stack: AsyncExitStack
) -> None:
    clock = Clock(store, stack)
    clock.errors = {"defect": ZeroDivisionError(), "away": Unavailable("x"), "moved": Conflict("x")}
    for key in clock.errors:
        await clock.put(key, -1)
    clock.start()
    await clock.put("good", 0.5)
    await eventually(lambda: "good" in clock.keys, within_s=3)
    await asyncio.sleep(2)
    # They are tried again with back-off, rather than as fast as the loop can.
    assert 2 <= clock.keys.count("defect") <= 10
    assert 2 <= clock.keys.count("away") <= 10
    clock.errors.pop("away")
    await eventually(lambda: clock.keys[-1:] == ["away"] or clock.keys.count("away") > 3)


async def test_a_wake_that_forgets_to_move_its_time_does_not_spin(store: Store, stack: AsyncExitStack) -> None:
    calls: list[Any] = []

    async def forgetful(key: Any) -> None:
        calls.append(key)

    await Clock(store, stack).put("a", -1)
    timers = Timers(store, "things", forgetful)
    timers.start()
    await asyncio.sleep(1.5)
    await timers.stop()
    assert 2 <= len(calls) <= 9


async def test_a_crowd_that_is_due_together_is_woken_whole(store: Store, stack: AsyncExitStack) -> None:
    clock = Clock(store, stack)
    for first in range(0, 300, 20):
        await asyncio.gather(*(clock.put(n, -1) for n in range(first, first + 20)))
    clock.start()
    await eventually(lambda: len(set(clock.keys)) == 300)
    assert len(clock.keys) == 300


async def test_two_replicas_wake_everything_between_them(store: Store, stack: AsyncExitStack) -> None:
    first, second = Clock(store, stack), Clock(store, stack)
    first.start()
    second.start()
    for n in range(20):
        await first.put(n, 0.2)
    await eventually(lambda: set(first.keys) | set(second.keys) == set(range(20)))


async def test_it_goes_on_after_the_database_was_away(store: Store, stack: AsyncExitStack, services: Services) -> None:
    clock = Clock(store, stack)
    await clock.put("a", 1.0)
    clock.start()
    services.mongodb.child.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(6)
    finally:
        services.mongodb.child.send_signal(signal.SIGCONT)
    await eventually(lambda: "a" in clock.keys)
    await clock.put("b", 0.1)
    await eventually(lambda: "b" in clock.keys)


async def test_stopping_lets_a_decision_end(store: Store, stack: AsyncExitStack) -> None:
    begun, ended = asyncio.Event(), []

    async def slow(key: Any) -> None:
        begun.set()
        await asyncio.sleep(0.3)
        ended.append(key)

    await Clock(store, stack).put("a", -1)
    timers = Timers(store, "things", slow)
    timers.start()
    await asyncio.wait_for(begun.wait(), 5)
    await timers.stop()
    assert ended == ["a"]


async def test_a_document_without_room_is_woken_once_there_is_room_and_not_put_off(
    store: Store, stack: AsyncExitStack
) -> None:
    clock, woken = Clock(store, stack), list[Any]()
    room = 0

    async def wake_if_room(key: Any) -> None:
        nonlocal room
        if room == 0:
            raise NoRoom
        room -= 1
        await clock.wake(key)
        woken.append(key)

    timers = Timers(store, "things", wake_if_room, choose=lambda: {"name": {"$ne": "9"}} if room else None)
    for n in range(10):
        await clock.put(n, -1)
    timers.start()
    stack.push_async_callback(timers.stop)
    await asyncio.sleep(0.5)
    assert woken == []
    for n in range(1, 4):
        room = 3
        timers.wake_by(datetime.now(UTC))
        await eventually(lambda n=n: len(woken) == 3 * n, within_s=2)
    room = 3
    timers.wake_by(datetime.now(UTC))
    await asyncio.sleep(0.5)
    assert sorted(woken) == list(range(9)), "the last one is not chosen"
