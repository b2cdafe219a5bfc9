"""Read what explains a run: the runs below it, the step workers, the lock of the engine, and stalled workflows."""

from collections.abc import Iterable, Mapping

from runtime.kernel.store import Store
from schemas.api.workflows.explanation import ObjectExplanation
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import RUN_OVER, NodeStatus, RunStatus
from schemas.fleet.documents import WORKFLOWS
from schemas.ids import NodeKey, RunId
from wms.engine import repository
from wms.engine.engine_lock import LockKeeper
from wms.engine.life.open_run import calls_function
from wms.engine.step_workers import StepWorkers
from wms.fleet.reading.health import list_stall_texts
from wms.insight.runs.run_explanation import STARTED_BELOW, explain_run
from wms.insight.runs.run_situation import FORM, RunSituation

#: The most runs below a run that an explanation reads.
_MOST_BELOW = 200


class RunExplainer:
    """Explains runs: processes, and jobs of templates. Its caller has checked who may see them."""

    def __init__(self, store: Store, workers: StepWorkers, lock: LockKeeper) -> None:
        self._store = store
        self._workers = workers
        self._lock = lock

    async def explain_run(self, run: RunDocument, *, standing: str, why: str) -> ObjectExplanation:
        """Return why a run stands as it does. `standing` is its status in the words of the dialect, and `why` the
        reason for it as other answers say it.
        """
        below = await self._read_below(run)
        runs = [run, *below.values()]
        return explain_run(
            RunSituation(
                run=run,
                standing=standing,
                why=why,
                below=below,
                lock=await self._lock.read_settings(),
                workers=self._workers.list_alive(),
                refusals=self._find_refusals(runs),
                busy=await self._find_busy(run),
                stalls=await self._find_stalls(runs),
            )
        )

    async def _read_below(self, run: RunDocument) -> dict[RunId, RunDocument]:
        """Return the runs that open and failed nodes have started, level by level, at most 200."""
        below: dict[RunId, RunDocument] = {}
        level = _list_started([run])
        while level and len(below) < _MOST_BELOW:
            found = await repository.load_runs(self._store, level[: _MOST_BELOW - len(below)])
            below |= found
            level = [child for child in _list_started(found.values()) if child not in below]
        return below

    def _find_refusals(self, runs: Iterable[RunDocument]) -> dict[tuple[RunId, NodeKey], str]:
        """Return (run, node) -> why no step worker can run this node now."""
        refusals: dict[tuple[RunId, NodeKey], str] = {}
        for run in runs:
            waiting = {
                state.key: spec.pool or run.pool
                for spec, state in zip(run.graph.nodes, run.nodes, strict=True)
                if state.status is NodeStatus.DUE and calls_function(spec)
            }
            if run.status is RunStatus.CREATED and run.pages is not None:
                waiting[FORM] = run.pool
            for key, pool in waiting.items():
                refusals[run.id, key] = self._workers.find_refusal(pool, run.definition_hash, run.definition)
        return refusals

    async def _find_busy(self, run: RunDocument) -> RunId | None:
        """Return the job for which a created job of the same template waits; None if it waits for none."""
        if run.kind is not DefinitionKind.TEMPLATE or run.status is not RunStatus.CREATED:
            return None
        going_on = {"definition": run.definition, "status": {"$nin": [*RUN_OVER, RunStatus.CREATED]}}
        found = await self._store.find_one(RUNS, going_on, projection={"_id": 1})
        return None if found is None else RunId(found["_id"])

    async def _find_stalls(self, runs: Iterable[RunDocument]) -> Mapping[str, str]:
        """Return workflow -> why it is stalled, of the workflows that nodes wait for."""
        ids = {state.workflow_id for run in runs for state in run.nodes if state.status is NodeStatus.WAITING} - {None}
        if not ids:
            return {}
        query = {"_id": {"$in": sorted(map(str, ids))}, "stalled": {"$ne": None}}
        found = await self._store.find(WORKFLOWS, query)
        return {each["_id"]: "; ".join(texts) for each in found if (texts := list_stall_texts(each))}


def _list_started(runs: Iterable[RunDocument]) -> list[RunId]:
    return [
        state.child_run
        for run in runs
        for state in run.nodes
        if state.child_run is not None and state.status in STARTED_BELOW
    ]
