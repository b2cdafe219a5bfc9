"""Runs, their log, definitions and early inputs in MongoDB: how to load, index and write them.

A step that touches only its run is one write: `rev` in the filter is the fence, since every attempt, answer and act
moves it. The log rows are pushed into the run with the same write, and moved to `run_log` in batches.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from runtime.kernel.decision import Document, Insert, Update, change_filter, update_operators
from runtime.kernel.store import Index, Store
from schemas.graph import Definition
from schemas.ids import DefinitionHash, RunId, RunUuid
from schemas.run_documents import (
    DEFINITIONS,
    INPUTS,
    RUN_LOG,
    RUNS,
    STEP_WORKERS,
    DefinitionDocument,
    InputDocument,
    LogRow,
    RunDocument,
    StepWorkerDocument,
)
from schemas.runs import NodeState, NodeStatus
from wms.engine.life.open_run import OpenRun, RunDecision

#: How long an event is kept for somebody who may wait for it later.
INPUT_LIFE = timedelta(days=14)

INDEXES: Mapping[str, tuple[Index, ...]] = {
    RUNS: (
        Index(("uuid",), unique=True),
        Index(("wake_at",), partial={"wake_at": {"$type": "date"}}),
        Index(("status", "-_id")),
        Index(("definition", "-_id")),
        Index(("owner", "-_id")),
        Index(("subscriptions", "-_id")),
        Index(("parent.run",), partial={"parent.run": {"$exists": True}}),
        Index(("nodes.taken_by",), partial={"nodes.taken_by": {"$exists": True}}),
        Index(("nodes.workflow_id",), partial={"nodes.workflow_id": {"$exists": True}}),
        Index(("nodes.wait.name", "nodes.wait.correlation"), partial={"nodes.wait.name": {"$exists": True}}),
    ),
    RUN_LOG: (Index(("run", "number"), unique=True),),
    DEFINITIONS: (Index(("name", "-registered_at")),),
    STEP_WORKERS: (Index(("seen_at",), expire_after=timedelta(days=1)),),
    INPUTS: (
        Index(("name", "correlation", "at")),
        Index(("expires_at",), expire_after=timedelta(0)),
    ),
}


def _dump_model(model: BaseModel) -> Document:
    # Defaults are left out: a node that has not begun takes a few bytes.
    return model.model_dump(exclude_defaults=True)


def make_document(run: RunDocument) -> Document:
    """Return `run` as MongoDB keeps it."""
    document = _dump_model(run)
    document["_id"] = document.pop("id")
    # What queries ask for is always there.
    return {**document, "status": run.status, "rev": run.rev, "nodes": [_dump_model(state) for state in run.nodes]}


def parse_run(document: Document) -> RunDocument:
    """Return the run that MongoDB keeps as `document`."""
    return RunDocument.model_validate({**document, "id": document["_id"]})


def make_update(run: OpenRun, decision: RunDecision) -> Update:
    """Return the change of the run's document by which `decision` becomes true, if nothing came between."""
    names = set(decision.fields)
    # A copy validates nothing, so that what is dumped is what the decision said.
    fields = run.facts.model_copy(update=dict(decision.fields)).model_dump(include=names) if names else {}
    for number, state in decision.nodes.items():
        fields[f"nodes.{number}"] = _dump_model(state)
    rows = [_dump_model(row) for row in decision.rows]
    return Update(RUNS, run.facts.id, set=fields, push={"log": rows} if rows else {}, rev=run.facts.rev)


async def commit_update(store: Store, update: Update) -> bool:
    """Carry out a change of one run, as a commit of one document. Return whether nothing had come between."""
    return await store.compare_and_set(update.collection, change_filter(update), update_operators(update))


def make_insert(run: RunDocument) -> Insert:
    """Return the change that creates `run`."""
    return Insert(RUNS, make_document(run))


async def load_run(store: Store, run_id: RunId) -> RunDocument | None:
    """Return the run `run_id`, or None."""
    document = await store.find_one(RUNS, {"_id": run_id})
    return None if document is None else parse_run(document)


async def find_run_id(store: Store, uuid: RunUuid) -> RunId | None:
    """Return the id of the run `uuid`, or None."""
    document = await store.find_one(RUNS, {"uuid": uuid}, projection={"_id": 1})
    return None if document is None else RunId(document["_id"])


async def load_log(store: Store, run_id: RunId) -> list[LogRow]:
    """Return all log rows of a run, in order, wherever they are."""
    moved = await store.find(RUN_LOG, {"run": run_id}, sort=[("number", 1)])
    run = await store.find_one(RUNS, {"_id": run_id}, projection={"log": 1})
    rows = {row["number"]: row for row in [*moved, *((run or {}).get("log") or [])]}
    return [LogRow.model_validate(rows[number]) for number in sorted(rows)]


async def move_log(store: Store, run_id: RunId, rows: Sequence[LogRow]) -> None:
    """Move log rows from their run to the log. If it is cut short, it can be done again."""
    await store.insert_new(RUN_LOG, [{"_id": f"{run_id}/{row.number}", **_dump_model(row)} for row in rows])
    await store.bulk_update(RUNS, [({"_id": run_id}, {"$pull": {"log": {"number": {"$lte": rows[-1].number}}}})])


async def store_definition(store: Store, definition: Definition, digest: DefinitionHash, now: datetime) -> None:
    """Keep a definition, and that it was registered now."""
    document = DefinitionDocument(
        name=definition.name,
        hash=digest,
        pool=definition.pool,
        kind=definition.kind,
        definition=definition.model_dump(mode="json"),
        registered_at=now,
    )
    await store.insert_new(DEFINITIONS, [{"_id": digest, **document.model_dump()}])
    changes = {"registered_at": now, "pool": definition.pool, "definition": document.definition}
    await store.bulk_update(DEFINITIONS, [({"_id": digest}, {"$set": changes})])


async def find_definition(store: Store, name: str) -> tuple[DefinitionHash, Definition] | None:
    """Return the definition of this name that was registered last, with its hash; None: there is none."""
    found = await store.find(DEFINITIONS, {"name": name}, sort=[("registered_at", -1)], limit=1)
    if not found:
        return None
    return DefinitionHash(found[0]["_id"]), Definition.model_validate(found[0]["definition"])


async def store_step_worker(store: Store, worker: StepWorkerDocument) -> None:
    """Keep what a step worker says of itself."""
    fields = worker.model_dump()
    if not await store.compare_and_set(STEP_WORKERS, {"_id": worker.name}, {"$set": fields}):
        await store.insert_new(STEP_WORKERS, [{"_id": worker.name, **fields}])


async def remove_step_worker(store: Store, name: str) -> None:
    """Forget a step worker."""
    await store.bulk_delete(STEP_WORKERS, [name])


async def load_step_workers(store: Store, since: datetime) -> list[StepWorkerDocument]:
    """Return the step workers that have said something `since` then."""
    found = await store.find(STEP_WORKERS, {"seen_at": {"$gte": since}})
    return [StepWorkerDocument.model_validate(worker) for worker in found]


async def keep_input(store: Store, given: InputDocument) -> None:
    """Keep an event from outside; one that is kept already stays as it is."""
    await store.insert_new(INPUTS, [{"_id": given.id, **given.model_dump()}])


async def find_early_input(store: Store, name: str, correlation: str) -> InputDocument | None:
    """Return the first event of this name and correlation that nobody has consumed."""
    query = {"name": name, "correlation": correlation, "consumed_by": None}
    found = await store.find(INPUTS, query, sort=[("at", 1)], limit=1)
    return InputDocument.model_validate(found[0]) if found else None


async def note_consumption(store: Store, input_id: str, run_id: RunId, node: str) -> None:
    """Note which node has consumed an event."""
    await store.bulk_update(INPUTS, [({"_id": input_id}, {"$set": {"consumed_by": (run_id, node)}})])


async def find_waiting_nodes(store: Store, name: str, correlation: str) -> list[tuple[RunId, NodeState]]:
    """Return the nodes that wait for an event of this name and correlation, with their runs."""
    wanted: dict[str, Any] = {
        "status": NodeStatus.WAITING,
        "wait.kind": "event",
        "wait.name": name,
        "wait.correlation": correlation,
    }
    query = {"nodes.wait.name": name, "nodes": {"$elemMatch": wanted}}
    found = await store.find(RUNS, query, projection={"nodes": {"$elemMatch": wanted}})
    return [(RunId(run["_id"]), NodeState.model_validate(run["nodes"][0])) for run in found]


async def find_runs_of_worker(store: Store, worker: str) -> list[RunId]:
    """Return the runs in which this step worker has a node."""
    found = await store.find(RUNS, {"nodes.taken_by": worker}, projection={"_id": 1})
    return [RunId(run["_id"]) for run in found]


async def find_busy_workers(store: Store) -> set[str]:
    """Return the names of the step workers that have a node."""
    return set(await store.distinct(RUNS, "nodes.taken_by", {"nodes.taken_by": {"$exists": True}})) - {""}


async def find_run_of_workflow(store: Store, workflow_id: str) -> tuple[RunId, NodeState] | None:
    """Return the run whose node has started this workflow, with the node; None: no node has."""
    query = {"nodes.workflow_id": workflow_id}
    found = await store.find(RUNS, query, limit=1, projection={"nodes": {"$elemMatch": {"workflow_id": workflow_id}}})
    return (RunId(found[0]["_id"]), NodeState.model_validate(found[0]["nodes"][0])) if found else None
