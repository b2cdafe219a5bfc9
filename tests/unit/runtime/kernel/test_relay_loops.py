"""The loops of the relay: a metric does not stop the sweep, and confirmed rows are deleted together."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from runtime.bus.service_bus import Bus
from runtime.kernel import relay as relay_module
from runtime.kernel.database import Database
from runtime.kernel.outbox import OUTBOX
from runtime.kernel.relay import Relay
from runtime.kernel.store import Index, Store
from schemas.errors import Unavailable
from schemas.ids import EventId


class FakeStore:
    """An outbox that is too large to be sorted by age."""

    def __init__(self) -> None:
        self.on_commit: list[Any] = []
        self.sorted_by: list[str] = []
        self.deleted: list[int] = []

    async def find(self, _collection: str, _query: Any, *, sort: Sequence[tuple[str, int]] = (), **_: Any) -> list[Any]:
        (key, _direction) = sort[0]
        self.sorted_by.append(key)
        if key == "at":
            raise Unavailable("operation exceeded time limit")
        return []

    async def bulk_delete(self, _collection: str, ids: Sequence[Any]) -> int:
        self.deleted.append(len(ids))
        return len(ids)


class FakeBus:
    is_connected = True

    def __init__(self) -> None:
        self.on_connected: list[Any] = []


def make_relay() -> tuple[Relay, FakeStore]:
    store = FakeStore()
    return Relay(cast("Store", store), cast("Bus", FakeBus()), carriers={}), store


async def test_rows_are_claimed_although_the_age_of_the_oldest_cannot_be_measured() -> None:
    relay, store = make_relay()
    await relay._sweep_once()
    assert store.sorted_by == ["at", "next_at"]


async def test_all_confirmed_rows_are_deleted_after_one_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def note_pause(pause_s: float) -> None:
        pauses.append(pause_s)

    monkeypatch.setattr(relay_module.asyncio, "sleep", note_pause)
    relay, store = make_relay()
    relay._confirmed = [EventId(str(number)) for number in range(5_500)]
    assert await relay._delete_confirmed() is None
    assert (len(pauses), store.deleted) == (1, [1000] * 5 + [500])


async def test_both_orders_in_which_the_relay_reads_the_outbox_have_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Sequence[Index]] = {}

    async def note_indexes(_: Database, indexes: Mapping[str, Sequence[Index]]) -> None:
        made.update(indexes)

    monkeypatch.setattr(Database, "ensure_indexes", note_indexes)
    await Store.ensure_indexes(Store.__new__(Store), {})
    relay, store = make_relay()
    await relay._sweep_once()
    assert {(key,) for key in store.sorted_by} == {index.keys for index in made[OUTBOX]}
