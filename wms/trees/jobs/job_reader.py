"""Find jobs of templates for their readers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runtime.kernel.store import Store
from schemas.engine.graph import DefinitionKind, NodeKind
from schemas.engine.run_documents import RUN_LOG, RUNS, LogRow, RunDocument
from schemas.engine.runs import RUN_OVER, RunStatus
from schemas.ids import RunId, TemplateId
from wms.engine import repository
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import find_delegated, make_tree_filter
from wms.trees.graphs.tree_definitions import find_template_id, name_definition
from wms.trees.jobs.halts import explain_halts, list_above

EVERY_JOB: Mapping[str, Any] = {"kind": DefinitionKind.TEMPLATE.value}
TREES: Mapping[str, Any] = {**EVERY_JOB, "graph.is_leaf": {"$ne": True}}
JOBS: Mapping[str, Any] = {**EVERY_JOB, "graph.is_leaf": True, "graph.nodes.0.kind": {"$ne": NodeKind.WAIT.value}}
APPROVALS: Mapping[str, Any] = {**EVERY_JOB, "graph.is_leaf": True, "graph.nodes.0.kind": NodeKind.WAIT.value}
#: Approvals are left out of the list of all jobs.
UNIFIED: Mapping[str, Any] = {**EVERY_JOB, "graph.nodes.0.kind": {"$ne": NodeKind.WAIT.value}}
#: The dialect's word for a kind of job -> the query for those.
QUERIES: Mapping[str, Mapping[str, Any]] = {"workflow_job": TREES, "job": JOBS, "workflow_approval": APPROVALS}


def make_job_filter(principal: Principal) -> dict[str, Any]:
    """Return the MongoDB filter for the jobs that `principal` sees: those of its templates, and all below them."""
    names = [name_definition(each) for each in find_delegated(principal, Action.SEE_TREE)]
    if not names:
        return make_tree_filter(principal)
    # The second condition lets MongoDB use the index, which leaves out runs without ancestors.
    below = {"ancestors": {"$in": names}, "ancestors.0": {"$exists": True}}
    return make_tree_filter(principal, {"$or": [{"definition": {"$in": names}}, below]})


class JobReader:
    """The jobs of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list_jobs(
        self, principal: Principal, query: Mapping[str, Any], *, sort: Sequence[tuple[str, int]], skip: int, limit: int
    ) -> tuple[list[RunDocument], int]:
        """Return a page of the jobs that match `query` and that the principal sees, and how many do in all."""
        wanted = {"$and": [dict(query), make_job_filter(principal)]}
        found = await self._store.find(RUNS, wanted, sort=list(sort), skip=skip, limit=limit)
        return [repository.parse_run(each) for each in found], await self._store.count(RUNS, wanted)

    async def find_ids(self, principal: Principal, query: Mapping[str, Any], *, limit: int) -> list[RunId]:
        """Return the ids of the first jobs that match `query` and that the principal sees."""
        wanted = {"$and": [dict(query), make_job_filter(principal)]}
        found = await self._store.find(RUNS, wanted, projection={"_id": 1}, sort=[("_id", 1)], limit=limit)
        return [RunId(each["_id"]) for each in found]

    async def load_jobs(self, ids: Iterable[RunId]) -> dict[RunId, RunDocument]:
        """Return the jobs `ids`, by id. Leave out those that do not exist."""
        return await repository.load_runs(self._store, ids)

    async def restore_logs(self, runs: Iterable[RunDocument]) -> list[RunDocument]:
        """Return these jobs with all rows of their logs, those included that the engine has moved out of them."""
        listed = list(runs)
        rows: dict[RunId, dict[int, LogRow]] = {run.id: {row.number: row for row in run.log} for run in listed}
        for moved in await self._store.find(RUN_LOG, {"run": {"$in": sorted(rows)}}):
            row = LogRow.model_validate(moved)
            rows[row.run][row.number] = row
        logs = {run_id: tuple(found[number] for number in sorted(found)) for run_id, found in rows.items()}
        return [run.model_copy(update={"log": logs[run.id]}) for run in listed]

    async def explain_halts(self, runs: Iterable[RunDocument]) -> dict[RunId, str]:
        """Return for each of these jobs that waits for a halted process below it, which one that is, and why."""
        going = [run for run in runs if run.status not in RUN_OVER]
        roots = sorted({run.root or run.id for run in going})
        if not roots:
            return {}
        query = {"status": RunStatus.HALTED.value, "root": {"$in": roots}}
        halted = [repository.parse_run(each) for each in await self._store.find(RUNS, query, sort=[("_id", 1)])]
        parents: dict[RunId, RunDocument] = {}
        frontier = {run.parent.run for run in halted if run.parent is not None}
        while frontier:
            found = await self.load_jobs(frontier)
            parents |= found
            frontier = {run.parent.run for run in found.values() if run.parent is not None} - parents.keys()
        above = {run.id: frozenset(list_above(run, parents)) for run in halted}
        explained = {run.id: explain_halts(each for each in halted if run.id in above[each.id]) for run in going}
        return {run_id: text for run_id, text in explained.items() if text}

    async def count_nodes(self, principal: Principal, query: Mapping[str, Any], *, limit: int) -> dict[RunId, int]:
        """Return how many nodes each tree has that matches `query` and that the principal sees, in the order of ids: of
        the first `limit` trees.
        """
        pipeline: list[dict[str, Any]] = [
            {"$match": {"$and": [dict(TREES), dict(query), make_job_filter(principal)]}},
            {"$sort": {"_id": 1}},
            {"$limit": limit},
            {"$project": {"n_nodes": {"$size": "$nodes"}}},
        ]
        return {RunId(each["_id"]): each["n_nodes"] for each in await self._store.aggregate(RUNS, pipeline)}

    async def find_latest(self, templates: Iterable[TemplateId]) -> dict[TemplateId, RunDocument]:
        """Return the latest job of each of `templates`, by the template's id. Leave out templates without a job."""
        names = [name_definition(each) for each in templates]
        pipeline: list[dict[str, Any]] = [
            {"$match": {"definition": {"$in": names}}},
            {"$sort": {"definition": 1, "_id": -1}},
            {"$group": {"_id": "$definition", "last": {"$first": "$_id"}}},
        ]
        last = {each["last"]: each["_id"] for each in await self._store.aggregate(RUNS, pipeline)}
        jobs = await self.load_jobs(RunId(each) for each in last)
        found = ((find_template_id(last[run_id]), run) for run_id, run in jobs.items())
        return {template: run for template, run in found if template is not None}
