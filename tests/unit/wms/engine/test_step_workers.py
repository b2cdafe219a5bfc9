"""Who may be asked to call a function, as far as step workers have told."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import time_machine

from runtime.kernel.store import Store
from schemas.events import DefinitionRegistered, StepWorkerAlive
from schemas.ids import DefinitionHash, RunId
from tests.unit.wms.engine.walking import chain
from wms.engine.step_workers import SILENCE, StepWorkers

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
ONE, OTHER = DefinitionHash("one"), DefinitionHash("other")


class MemoryStore:
    """As much of a store as step workers need: two collections, by id."""

    def __init__(self) -> None:
        self.workers: dict[str, dict[str, Any]] = {}
        self.busy: dict[str, RunId] = {}
        self.unserved: list[RunId] = []

    async def compare_and_set(self, _: str, query: dict[str, Any], update: dict[str, Any]) -> bool:
        if query["_id"] not in self.workers:
            return False
        worker = self.workers[query["_id"]]
        worker |= update["$set"]
        if (digest := update.get("$addToSet", {}).get("hashes")) is not None:
            worker["hashes"] = tuple(dict.fromkeys((*worker["hashes"], digest)))
        return True

    async def insert_new(self, collection: str, documents: list[dict[str, Any]]) -> None:
        if collection == "step_workers":
            self.workers |= {document["_id"]: document for document in documents}

    async def bulk_update(self, *_: object) -> int:
        return 0

    async def bulk_delete(self, _: str, ids: list[str]) -> int:
        return len([self.workers.pop(key, None) for key in ids])

    async def find(self, collection: str, query: dict[str, Any], **_: object) -> list[dict[str, Any]]:
        if collection == "step_workers":
            return [worker for worker in self.workers.values() if worker["seen_at"] >= query["seen_at"]["$gte"]]
        if "status" in query:
            return [{"_id": run} for run in self.unserved]
        return [{"_id": run} for worker, run in self.busy.items() if worker == query["nodes.taken_by"]]

    async def distinct(self, *_: object) -> list[str]:
        return list(self.busy)


def alive(name: str, *hashes: DefinitionHash, **fields: Any) -> StepWorkerAlive:
    """Return what a worker says of itself."""
    return StepWorkerAlive(worker=name, pool="default", hashes=hashes, n_running=0, started_at=NOW, **fields)


async def test_a_refusal_names_the_pool_or_the_definition_once_this_process_can_know() -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        workers = StepWorkers(cast("Store", MemoryStore()))
        assert workers.find_refusal("default", ONE, "chain") == "", "nobody knows yet"
        clock.shift(SILENCE)
        assert workers.find_refusal("default", ONE, "chain") == "no step worker of the pool 'default' is there"
        await workers.note_alive(alive("w1", OTHER))
        assert "offers 'chain' as it was when" in workers.find_refusal("default", ONE, "chain")
        await workers.note_alive(alive("w2", ONE))
        assert workers.find_refusal("default", ONE, "chain") == ""
        assert workers.find_refusal("storage", ONE, "chain") == "no step worker of the pool 'storage' is there"
        clock.shift(SILENCE + timedelta(seconds=1))
        assert workers.find_refusal("default", ONE, "chain") == "no step worker of the pool 'default' is there"


async def test_a_worker_that_registers_offers_what_it_offered_before_as_well() -> None:
    definition = chain("a").facts.graph
    with time_machine.travel(NOW, tick=False):
        workers = StepWorkers(cast("Store", MemoryStore()))
        for digest in (ONE, OTHER):
            await workers.register(
                DefinitionRegistered.model_validate(
                    {"worker": "w1", "hash": digest, "definition": {"name": digest, "graph": definition}}
                )
            )
        (worker,) = workers.list_alive()
        assert worker.hashes == (ONE, OTHER)


async def test_what_one_process_hears_another_reads_and_nodes_of_the_gone_are_told() -> None:
    store, gone = MemoryStore(), []

    async def note(run: RunId, worker: str) -> None:
        gone.append((run, worker))

    with time_machine.travel(NOW, tick=False) as clock:
        one, other = (StepWorkers(cast("Store", store)) for _ in range(2))
        other.on_gone = note
        await one.note_alive(alive("w1", ONE))
        store.busy = {"w1": RunId(1), "w9": RunId(2)}
        await other._sweep_workers()
        assert [worker.name for worker in other.list_alive()] == ["w1"]
        assert gone == [], "for a while it only listens"
        clock.shift(SILENCE)
        await one.note_alive(alive("w1", ONE))
        await other._sweep_workers()
        assert gone == [(2, "w9")]
        await one.note_alive(alive("w1", ONE, is_leaving=True))
        await other._sweep_workers()
        assert gone[1:] == [(1, "w1"), (2, "w9")]


async def test_a_worker_that_comes_brings_on_what_nobody_could_work_on_once_for_what_it_offers() -> None:
    store, sought = MemoryStore(), []
    store.unserved = [RunId(7)]

    async def note(run: RunId, pool: str) -> None:
        sought.append((run, pool))

    workers = StepWorkers(cast("Store", store))
    workers.on_came = note
    await workers.note_alive(alive("w1", ONE))
    await workers.note_alive(alive("w1", ONE))
    assert sought == [(7, "default")]
    await workers.note_alive(alive("w1", ONE, OTHER))
    await workers.note_alive(alive("w1", ONE, OTHER, is_leaving=True))
    await workers.note_alive(alive("w1", ONE, OTHER))
    assert sought == [(7, "default")] * 3
