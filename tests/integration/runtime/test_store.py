"""The unit of work on a real MongoDB: all of a decision or nothing of it, once."""

import asyncio
import signal
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.local.system.services import Services
from runtime.kernel.decision import Change, Decision, Delete, Insert, Repeated, Update
from runtime.kernel.outbox import OUTBOX
from runtime.kernel.store import INBOX, Committed, Index, Store, Transaction
from schemas.errors import Broken, Conflict, Rejected, Unavailable
from schemas.events import QueuesActivated
from schemas.ids import WorkflowId
from schemas.wire import event_from_bytes

ACTIVATED = QueuesActivated(workflow_id=WorkflowId("WF-1-00000001"))


async def made(store: Store, *changes: Change, **options: Any) -> Decision | Repeated:
    async def step(_: Transaction) -> Decision:
        return Decision(changes=changes)

    return await store.transact(step, **options)


async def increment(store: Store, *, inbox_id: str | None = None) -> None:
    """Read, compute, compare and set: what every decision does."""

    async def step(tx: Transaction) -> Decision:
        counter = await tx.find_one("things", {"_id": 1})
        assert counter is not None
        return Decision((Update("things", 1, set={"n": counter["n"] + 1}, rev=counter["rev"]),))

    await store.transact(step, inbox_id=inbox_id)


async def test_concurrent_increments_are_exact(store: Store) -> None:
    await made(store, Insert("things", {"_id": 1, "n": 0, "rev": 1}))
    # Each of them may conflict with all others, so the work grows with the square.
    await asyncio.gather(*(increment(store) for _ in range(16)))
    counter = await store.find_one("things", {"_id": 1})
    assert counter == {"_id": 1, "n": 16, "rev": 17}


async def test_a_stimulus_that_comes_twice_or_five_times_at_once_takes_effect_once(store: Store) -> None:
    await made(store, Insert("things", {"_id": 1, "n": 0, "rev": 1}))
    await asyncio.gather(*(increment(store, inbox_id="wms:e1") for _ in range(5)))
    await increment(store, inbox_id="wms:e1")
    await increment(store, inbox_id="wms:e2")
    counter = await store.find_one("things", {"_id": 1})
    assert counter is not None
    assert counter["n"] == 2


async def test_a_repeated_request_gets_the_first_answer_and_another_request_is_refused_its_key(store: Store) -> None:
    answers = iter(["first", "second"])

    async def step(_: Transaction) -> Decision:
        return Decision(answer={"id": next(answers), "log": [1, 2]})

    decision = await store.transact(step, inbox_id="post:k1", digest="a")
    assert isinstance(decision, Decision)
    again = await store.transact(step, inbox_id="post:k1", digest="a")
    assert again == Repeated({"id": "first", "log": [1, 2]})
    with pytest.raises(Conflict):
        await store.transact(step, inbox_id="post:k1", digest="b")


async def test_a_compare_and_set_that_lost_runs_the_step_again_on_what_is_there_now(store: Store) -> None:
    await made(store, Insert("things", {"_id": 1, "n": 0, "rev": 1}))
    seen: list[int] = []

    async def step(tx: Transaction) -> Decision:
        # As if the document had been read before the transaction began.
        counter = await tx.find_one("things", {"_id": 1})
        assert counter is not None
        seen.append(counter["rev"])
        return Decision((Update("things", 1, set={"n": 7}, rev=0 if len(seen) < 3 else counter["rev"]),))

    await store.transact(step)
    assert seen == [1, 1, 1]
    assert await store.find_one("things", {"_id": 1}) == {"_id": 1, "n": 7, "rev": 2}


async def test_contention_without_end_is_unavailable_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.kernel.store._RETRY_FOR_S", 0.5)
    await made(store, Insert("things", {"_id": 1, "rev": 1}))
    with pytest.raises(Unavailable):
        await made(
            store, Insert("things", {"_id": 2, "name": "b"}), Update("things", 1, set={"a": 1}, rev=9), inbox_id="i"
        )
    assert await store.count("things", {}) == 1
    assert await store.count(INBOX, {}) == 0


async def test_all_changes_happen_or_none(store: Store) -> None:
    class Surprise(Exception):
        pass

    async def step(_: Transaction) -> Decision:
        raise Surprise

    with pytest.raises(Surprise):
        await store.transact(step, inbox_id="i1")
    with pytest.raises(Broken):
        await made(store, Insert("things", {"_id": 1}), Update("things", "nobody", set={"a": 1}), inbox_id="i2")
    await made(store, Insert("things", {"_id": 1}))
    with pytest.raises(Conflict):
        await made(store, Insert("others", {"_id": 5}), Insert("things", {"_id": 1}), inbox_id="i3")
    assert (await store.count("things", {}), await store.count("others", {}), await store.count(INBOX, {})) == (1, 0, 0)


async def test_a_unique_index_that_an_update_would_break_is_a_conflict(store: Store) -> None:
    await made(store, Insert("things", {"_id": 1, "name": "a"}), Insert("things", {"_id": 2, "name": "b"}))
    with pytest.raises(Conflict):
        await made(store, Update("things", 2, set={"name": "a"}))


async def test_every_kind_of_change_is_carried_out_in_order(store: Store) -> None:
    await made(
        store,
        Insert("things", {"_id": 1, "name": "a", "log": []}),
        Update("things", 1, set={"deep.er": 1}, push={"log": [1, 2]}, unset=("name",)),
        Update("things", 1, push={"log": 3}),
        Insert("things", {"_id": 2, "name": "x"}),
        Delete("things", 2),
        Delete("things", "never was"),
    )
    assert await store.find("things", {}) == [{"_id": 1, "deep": {"er": 1}, "log": [1, 2, 3]}]


@pytest.mark.parametrize("field", [{"n": 2**64}, {"a": {"b\0": 1}}, {"text": "\ud800"}], ids=["integer", "key", "text"])
async def test_what_no_document_can_hold_is_the_senders_to_change(store: Store, field: dict[str, Any]) -> None:
    await made(store, Insert("things", {"_id": 1}))
    for change in (Insert("things", {"_id": 2, **field}), Update("things", 1, set=field)):
        with pytest.raises(Rejected) as caught:
            await made(store, change)
        assert caught.value.code == 400
    with pytest.raises(Rejected):
        await store.bulk_update("things", [({"_id": 1}, {"$set": field})])
    assert await store.find("things", {}) == [{"_id": 1}]


async def test_events_are_recorded_with_the_state_and_handed_over_after_the_commit(store: Store) -> None:
    handed: list[Committed] = []
    store.on_commit.append(handed.append)

    async def step(_: Transaction) -> Decision:
        assert not handed
        return Decision((Insert("things", {"_id": 1}),), (ACTIVATED, ACTIVATED))

    await store.transact(step)
    rows = await store.find(OUTBOX, {})
    (committed,) = handed
    assert {row.id for row in committed.outbox} == {row["_id"] for row in rows}
    assert len(rows) == 2
    event = event_from_bytes(rows[0]["body"])
    assert (event.data, event.source, event.id, rows[0]["key"]) == (
        ACTIVATED,
        "ewms/test",
        rows[0]["_id"],
        "wms.queues.activated",
    )


async def test_a_decision_to_do_nothing_writes_nothing_but_that_it_was_made(store: Store) -> None:
    handed: list[Committed] = []
    store.on_commit.append(handed.append)
    await made(store, inbox_id="wms:e1")
    assert handed == []
    assert await store.count(INBOX, {}) == 1
    assert await store.count(OUTBOX, {}) == 0


async def test_times_come_back_aware(store: Store) -> None:
    at = datetime(2026, 11, 21, 8, 0, 0, 123000, tzinfo=UTC)
    await made(store, Insert("things", {"_id": 1, "at": at}))
    thing = await store.find_one("things", {"_id": 1})
    assert thing is not None
    assert thing["at"] == at
    assert thing["at"].tzinfo is not None


async def test_indexes_can_be_ensured_again_and_the_inbox_forgets(store: Store) -> None:
    await store.ensure_indexes({"things": [Index(("owner", "-at"), partial={"owner": {"$exists": True}})]})
    await store.ensure_indexes({"things": [Index(("owner", "-at"), partial={"owner": {"$exists": True}})]})
    indexes = await store._database[INBOX].index_information()
    assert indexes["at_1"]["expireAfterSeconds"] == 14 * 24 * 3600


async def test_bulk_updates_touch_what_matches(store: Store) -> None:
    await made(store, *(Insert("things", {"_id": n, "name": str(n), "seq": n}) for n in range(5)))
    n_changed = await store.bulk_update(
        "things", [({"_id": n, "seq": {"$lt": 3}}, {"$set": {"seq": 9}}) for n in range(6)]
    )
    assert n_changed == 3
    assert await store.bulk_update("things", []) == 0


async def test_a_mongodb_that_stops_answering_is_unavailable_within_seconds_and_comes_back(
    store: Store, services: Services
) -> None:
    await made(store, Insert("things", {"_id": 1, "n": 0, "rev": 1}))
    loop = asyncio.get_running_loop()
    services.mongodb.child.send_signal(signal.SIGSTOP)
    try:
        began = loop.time()
        outcomes = await asyncio.gather(
            increment(store, inbox_id="wms:e1"), store.ping(), store.find_one("things", {}), return_exceptions=True
        )
        assert loop.time() - began < 30
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    finally:
        services.mongodb.child.send_signal(signal.SIGCONT)

    async def back() -> None:
        while True:
            try:
                await increment(store, inbox_id="wms:e1")
                return
            except Unavailable:
                await asyncio.sleep(0.1)

    await asyncio.wait_for(back(), 20)
    counter = await store.find_one("things", {"_id": 1})
    assert counter is not None
    assert counter["n"] == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"password": "a-wrong-password"}, "the database refused the login"),
        ({"database": "another"}, "the database's account lacks a right"),
    ],
)
async def test_a_database_that_refuses_the_account_says_what_to_mend_and_tells_no_secret(
    mongo_url: str, mongo_database: str, changes: dict[str, str], reason: str
) -> None:
    address = urlsplit(mongo_url)
    password = changes.get("password", address.password or "")
    url = address._replace(netloc=address.netloc.replace(address.password or "?", password)).geturl()

    async def look() -> None:
        store = await Store.connect(url, database=changes.get("database", mongo_database), source="ewms/test")
        await store.find("things", {"owner": "a-secret-word"})

    with pytest.raises(Unavailable) as refused:
        await look()
    assert refused.value.reason == reason
    assert "EWMS_MONGO_URL" in refused.value.hint
    assert not any(word in str(refused.value) + refused.value.hint for word in (password, "a-secret-word"))


async def test_no_mongodb_at_the_start_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await Store.connect("mongodb://127.0.0.1:1/", database="x", source="s")


async def test_a_loop_that_is_cancelled_while_the_database_answers_ends(store: Store) -> None:
    async def read_forever() -> None:
        while True:
            await store.find("things", {"name": "nobody"}, limit=5)

    async def write_forever() -> None:
        async def step(tx: Transaction) -> Decision:
            await tx.find_one("things", {"name": "nobody"})
            return Decision()

        while True:
            await store.transact(step)

    for n in range(400):
        loop = asyncio.create_task(read_forever() if n % 3 else write_forever())
        # Some milliseconds, one read or a few, so that now and then the answer comes in the same turn of the loop.
        await asyncio.sleep(n % 40 / 10_000)
        loop.cancel()
        ended, _ = await asyncio.wait([loop], timeout=5)
        loop.cancel()
        assert ended
