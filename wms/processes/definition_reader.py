"""List the workflows that can be started, and the step workers that can run them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from runtime.kernel.store import Store
from schemas.engine.graph import Definition, DefinitionKind
from schemas.engine.run_documents import DEFINITIONS, RUNS, StepWorkerDocument
from schemas.engine.runs import NodeStatus, RunStatus
from wms.engine.step_workers import StepWorkers
from wms.processes.process_documents import is_task

_MAX_DEFINITIONS = 2000
_KINDS = (DefinitionKind.STEPS, DefinitionKind.FLOW)


class WorkflowDescription(BaseModel):
    """A workflow that can be started. If several definitions have its name, this is the latest."""

    name: str
    description: str
    target: str | None
    is_task: bool
    tag: str
    search_phrase: str
    has_form: bool
    pool: str
    kind: str
    hash: str
    steps: list[str]
    registered_at: datetime
    #: Whether a step worker is there that offers it.
    is_offered: bool


class WorkerDescription(BaseModel):
    """A step worker that has reported lately."""

    name: str
    since: datetime
    seen_at: datetime
    n_running: int
    workflows: list[str]


class PoolDescription(BaseModel):
    """A pool, and its step workers that have reported lately."""

    name: str
    n_running: int
    workers: list[WorkerDescription]


class WorkerStatus(BaseModel):
    """The step workers of all pools. The first four fields are those of orchestrator-core."""

    executor_type: str = "step-workers"
    number_of_workers_online: int
    number_of_queued_jobs: int
    number_of_running_jobs: int
    pools: list[PoolDescription]


class DefinitionReader:
    """Reads the definitions and step workers of one database."""

    def __init__(self, store: Store, workers: StepWorkers) -> None:
        self._store = store
        self._workers = workers

    async def list_workflows(self) -> list[WorkflowDescription]:
        """Return all workflows that were ever registered, in the order of their names."""
        latest = await self._store.aggregate(
            DEFINITIONS,
            [
                {"$match": {"kind": {"$in": list(_KINDS)}}},
                {"$sort": {"name": 1, "registered_at": -1}},
                {"$group": {"_id": "$name", "latest": {"$first": "$$ROOT"}}},
                {"$sort": {"_id": 1}},
                {"$limit": _MAX_DEFINITIONS},
            ],
        )
        offered = {digest for worker in self._workers.list_alive() for digest in worker.hashes}
        return [describe_workflow(one["latest"], offered) for one in latest]

    async def describe_workers(self) -> WorkerStatus:
        """Return the present step workers, what they offer, and since when they run."""
        alive = self._workers.list_alive()
        names = await self._find_names({digest for worker in alive for digest in worker.hashes})
        waiting = {"nodes": {"$elemMatch": {"status": NodeStatus.DUE, "n_taken": {"$in": [None, 0]}}}}
        return WorkerStatus(
            number_of_workers_online=len(alive),
            number_of_queued_jobs=await self._store.count(RUNS, {"status": RunStatus.RUNNING, **waiting}),
            number_of_running_jobs=sum(worker.n_running for worker in alive),
            pools=describe_pools(alive, names),
        )

    async def _find_names(self, hashes: Iterable[str]) -> dict[str, str]:
        found = await self._store.find(DEFINITIONS, {"_id": {"$in": sorted(hashes)}}, projection={"name": 1})
        return {one["_id"]: one["name"] for one in found}


def describe_workflow(document: Mapping[str, Any], offered: set[Any]) -> WorkflowDescription:
    """Return a stored definition in the form for clients. `offered` are the hashes that step workers offer."""
    definition = Definition.model_validate(document["definition"])
    return WorkflowDescription(
        name=definition.name,
        description=definition.description,
        target=definition.target or None,
        is_task=is_task(definition.target),
        tag=definition.tag,
        search_phrase=definition.search_phrase,
        has_form=definition.has_form,
        pool=definition.pool,
        kind=str(definition.kind),
        hash=document["_id"],
        steps=[node.name for node in definition.graph.nodes],
        registered_at=document["registered_at"],
        is_offered=document["_id"] in offered,
    )


def describe_pools(workers: Iterable[StepWorkerDocument], names: Mapping[str, str]) -> list[PoolDescription]:
    """Return the pools of `workers`, in the order of their names. `names` gives the workflow's name by hash."""
    by_pool: defaultdict[str, list[WorkerDescription]] = defaultdict(list)
    for worker in workers:
        offers = sorted({names[digest] for digest in worker.hashes if digest in names})
        by_pool[worker.pool].append(
            WorkerDescription(
                name=worker.name,
                since=worker.started_at,
                seen_at=worker.seen_at,
                n_running=worker.n_running,
                workflows=offers,
            )
        )
    return [
        PoolDescription(name=pool, n_running=sum(worker.n_running for worker in found), workers=found)
        for pool, found in sorted(by_pool.items())
    ]
