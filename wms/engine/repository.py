"""Load, index and write runs, their logs, definitions and step workers. `input_repository` has early inputs.

A change of one run alone is one write. Its filter has `rev`, which every attempt, answer and action raises: so an
outdated write changes nothing. The same write adds log rows to the run. Later the engine moves these rows to `run_log`
in batches.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel

from runtime.kernel.decision import Change, Decision, Document, Insert, Update, change_filter, update_operators
from runtime.kernel.store import Index, Store, Transaction
from schemas.engine.graph import Definition
from schemas.engine.run_documents import (
    DEFINITIONS,
    INPUTS,
    RUN_LOG,
    RUNS,
    STEP_WORKERS,
    DefinitionDocument,
    LogRow,
    RunDocument,
    StepWorkerDocument,
)
from schemas.engine.runs import NodeState, NodeStatus, RunStatus
from schemas.errors import Conflict
from schemas.events import NodeEnded
from schemas.ids import DefinitionHash, RunId, RunUuid
from wms.engine.brought import BroughtChanges, KeepsSubscriptions, StepRefused
from wms.engine.life.open_run import OpenRun, RunDecision

#: How long the engine keeps an event for a node that may wait for it later.
INPUT_LIFE = timedelta(days=14)

INDEXES: Mapping[str, tuple[Index, ...]] = {
    RUNS: (
        Index(("uuid",), unique=True),
        Index(("wake_at",), partial={"wake_at": {"$type": "date"}}),
        Index(("status", "-_id")),
        Index(("definition", "-_id")),
        Index(("kind", "-_id")),
        Index(("params.biz_id", "-_id"), partial={"params.biz_id": {"$exists": True}}),
        Index(("owner", "-_id")),
        Index(("subscriptions", "-_id")),
        Index(("parent.run",), partial={"parent.run": {"$exists": True}}),
        Index(("ancestors", "-_id"), partial={"ancestors.0": {"$exists": True}}),
        Index(("started_by",), partial={"started_by": {"$exists": True}}),
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
    # Leave out defaults, so that a node that has not begun takes only a few bytes.
    return model.model_dump(exclude_defaults=True)


def make_document(run: RunDocument) -> Document:
    """Return `run` in the form that MongoDB stores."""
    document = run.model_dump(exclude_defaults=True, exclude={"nodes"})
    document["_id"] = document.pop("id")
    # Store the fields that queries need even if they have their default.
    return {**document, "status": run.status, "rev": run.rev, "nodes": [_dump_model(state) for state in run.nodes]}


def parse_run(document: Document) -> RunDocument:
    """Return the run that is stored as `document`."""
    return RunDocument.model_validate({**document, "id": document["_id"]})


def make_update(run: OpenRun, decision: RunDecision) -> Update:
    """Return the change that stores `decision` in the run's document. The change fails if the run has changed
    meanwhile.
    """
    names = set(decision.fields)
    # A copy validates nothing, so the dump has the values of the decision.
    fields = run.facts.model_copy(update=dict(decision.fields)).model_dump(include=names) if names else {}
    for number, state in decision.nodes.items():
        fields[f"nodes.{number}"] = _dump_model(state)
    rows = [_dump_model(row) for row in decision.rows]
    return Update(RUNS, run.facts.id, set=fields, push={"log": rows} if rows else {}, rev=run.facts.rev)


async def commit_update(store: Store, update: Update) -> bool:
    """Write a change of one run, as a commit of one document. Return False if the run has changed meanwhile."""
    return await store.compare_and_set(update.collection, change_filter(update), update_operators(update))


async def commit_together(
    store: Store,
    subscriptions: KeepsSubscriptions | None,
    run: OpenRun,
    ended: NodeEnded | None,
    changes: tuple[Change, ...],
) -> bool:
    """Store `changes`, of a run and more, and those of the step that has `ended`. Return False if the run has changed.

    Raises:
        StepRefused: the other changes cannot be stored.
    """

    async def step(tx: Transaction) -> Decision:
        current = {"_id": run.facts.id, "rev": run.facts.rev}
        if await tx.find_one(RUNS, current, {"_id": 1}) is None:
            return Decision()
        brought = BroughtChanges()
        if ended is not None and (ended.models or ended.events):
            if subscriptions is None:
                raise StepRefused("NotSupported", "this WMS stores no subscriptions or events of steps")
            brought = await subscriptions.plan_commit(run.facts, ended, tx)
        return Decision(changes=(*changes, *brought.changes), events=brought.events)

    try:
        decided = await store.transact(step)
    except Conflict:
        # Something of the same id was stored meanwhile: decide again about what is there.
        return False
    return isinstance(decided, Decision) and bool(decided.changes)


def make_insert(run: RunDocument) -> Insert:
    """Return the change that creates `run`."""
    return Insert(RUNS, make_document(run))


async def load_run(store: Store, run_id: RunId) -> RunDocument | None:
    """Return the run `run_id`. Return None if there is no such run."""
    document = await store.find_one(RUNS, {"_id": run_id})
    return None if document is None else parse_run(document)


async def load_runs(store: Store, ids: Iterable[RunId]) -> dict[RunId, RunDocument]:
    """Return the runs `ids`, by id. Leave out those that do not exist."""
    found = await store.find(RUNS, {"_id": {"$in": sorted(set(ids))}})
    return {run.id: run for run in map(parse_run, found)}


async def find_run_id(store: Store, uuid: RunUuid) -> RunId | None:
    """Return the id of the run `uuid`. Return None if there is no such run."""
    document = await store.find_one(RUNS, {"uuid": uuid}, projection={"_id": 1})
    return None if document is None else RunId(document["_id"])


async def find_run(store: Store, uuid: RunUuid) -> RunDocument | None:
    """Return the run `uuid`. Return None if there is no such run."""
    document = await store.find_one(RUNS, {"uuid": uuid})
    return None if document is None else parse_run(document)


async def load_log(store: Store, run_id: RunId) -> list[LogRow]:
    """Return all log rows of a run, in order: those in `run_log`, and those still in the run."""
    # The run first: a row that is moved between the two reads is then found twice, and never missed.
    run = await store.find_one(RUNS, {"_id": run_id}, projection={"log": 1})
    moved = await store.find(RUN_LOG, {"run": run_id}, sort=[("number", 1)])
    rows = {row["number"]: row for row in [*moved, *((run or {}).get("log") or [])]}
    return [LogRow.model_validate(rows[number]) for number in sorted(rows)]


async def move_log(store: Store, run_id: RunId, rows: Sequence[LogRow]) -> None:
    """Move log rows from their run to `run_log`. If a crash comes in between, a repetition does no harm."""
    await store.insert_new(RUN_LOG, [{"_id": f"{run_id}/{row.number}", **_dump_model(row)} for row in rows])
    await store.bulk_update(RUNS, [({"_id": run_id}, {"$pull": {"log": {"number": {"$lte": rows[-1].number}}}})])


async def store_definition(store: Store, definition: Definition, digest: DefinitionHash, now: datetime) -> None:
    """Store a definition, and `now` as the time of its latest registration."""
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
    # A worker that tells a false hash must not replace a definition of another name.
    await store.bulk_update(DEFINITIONS, [({"_id": digest, "name": definition.name}, {"$set": changes})])


async def find_definition(store: Store, name: str, *, pool: str = "") -> tuple[DefinitionHash, Definition] | None:
    """Return the latest registered definition of this name, with its hash; with a `pool`, the latest one of that pool.
    Return None if there is no such definition.
    """
    query = {"name": name, "pool": pool} if pool else {"name": name}
    found = await store.find(DEFINITIONS, query, sort=[("registered_at", -1)], limit=1)
    if not found:
        return None
    return DefinitionHash(found[0]["_id"]), Definition.model_validate(found[0]["definition"])


async def find_missing_definitions(store: Store, hashes: Sequence[DefinitionHash]) -> tuple[DefinitionHash, ...]:
    """Return those of `hashes` whose definitions are not registered."""
    known = {one["_id"] for one in await store.find(DEFINITIONS, {"_id": {"$in": list(hashes)}}, projection={"_id": 1})}
    return tuple(digest for digest in hashes if digest not in known)


async def store_step_worker(store: Store, worker: StepWorkerDocument) -> None:
    """Store a step worker's latest report."""
    fields = worker.model_dump()
    if not await store.compare_and_set(STEP_WORKERS, {"_id": worker.name}, {"$set": fields}):
        await store.insert_new(STEP_WORKERS, [{"_id": worker.name, **fields}])


async def add_worker_hash(store: Store, worker: StepWorkerDocument, digest: DefinitionHash) -> None:
    """Store that a step worker offers one more definition. Several calls at once lose none."""
    fields = worker.model_dump(include={"name", "pool", "seen_at"})
    change = {"$set": fields, "$addToSet": {"hashes": digest}}
    if not await store.compare_and_set(STEP_WORKERS, {"_id": worker.name}, change):
        await store.insert_new(STEP_WORKERS, [{"_id": worker.name, **worker.model_dump()}])
        await store.compare_and_set(STEP_WORKERS, {"_id": worker.name}, change)


async def remove_step_worker(store: Store, name: str) -> None:
    """Forget a step worker."""
    await store.bulk_delete(STEP_WORKERS, [name])


async def load_step_workers(store: Store, since: datetime) -> list[StepWorkerDocument]:
    """Return the step workers that have reported after `since`."""
    found = await store.find(STEP_WORKERS, {"seen_at": {"$gte": since}})
    return [StepWorkerDocument.model_validate(worker) for worker in found]


async def find_runs_of_worker(store: Store, worker: str) -> list[RunId]:
    """Return the ids of the runs in which this step worker has a node."""
    found = await store.find(RUNS, {"nodes.taken_by": worker}, projection={"_id": 1})
    return [RunId(run["_id"]) for run in found]


async def find_unserved_runs(store: Store) -> list[RunId]:
    """Return the ids of the runs with a node that no step worker could run."""
    unserved = {"status": NodeStatus.DUE, "explanation": {"$exists": True}}
    query = {"status": RunStatus.RUNNING, "nodes": {"$elemMatch": unserved}}
    found = await store.find(RUNS, query, projection={"_id": 1})
    return [RunId(run["_id"]) for run in found]


async def find_busy_workers(store: Store) -> set[str]:
    """Return the names of the step workers that have a node."""
    return set(await store.distinct(RUNS, "nodes.taken_by", {"nodes.taken_by": {"$exists": True}})) - {""}


async def find_run_of_workflow(store: Store, workflow_id: str) -> tuple[RunId, NodeState] | None:
    """Return the run whose node has started this workflow, and the node. Return None if no node has."""
    query = {"nodes.workflow_id": workflow_id}
    found = await store.find(RUNS, query, limit=1, projection={"nodes": {"$elemMatch": {"workflow_id": workflow_id}}})
    return (RunId(found[0]["_id"]), NodeState.model_validate(found[0]["nodes"][0])) if found else None
