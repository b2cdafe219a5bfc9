"""Find processes in MongoDB: pages of a list, counts by status, one process with its steps, its children.

Pages have a limit, and so has the time of a query. For a line in a list, only the open nodes of a run are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runtime.kernel.store import Index, Store
from schemas.api.processes import ChildProcess, ProcessSummary
from schemas.engine.graph import DefinitionKind
from schemas.engine.processes import ProcessStatus
from schemas.engine.run_documents import RUN_LOG, RUNS, LogRow, RunDocument
from schemas.engine.runs import NODE_OPEN, RUN_OVER, NodeStatus
from schemas.errors import Conflict, NotFound, Rejected
from schemas.ids import DEFAULT_ORGANIZATION, RunId, RunUuid
from wms.audit.audit_log import AuditLog
from wms.engine import repository
from wms.engine.life.run_acts import describe_run
from wms.processes.process_documents import LISTED_KEYS, RunView, is_task, read_target, summarize_process
from wms.processes.process_filters import PageWish, Query, join_queries, make_task_query
from wms.processes.process_status import find_process_status, make_status_query
from wms.tenancy.rights import Action, Principal, check_right, find_organizations

#: The indexes for lists of processes, beside the engine's own.
INDEXES: Mapping[str, tuple[Index, ...]] = {
    RUNS: (
        Index(("started_at", "_id")),
        Index(("state.subscription_id", "-_id"), partial={"state.subscription_id": {"$exists": True}}),
        Index(("state.workflow_target", "status"), partial={"state.workflow_target": {"$exists": True}}),
    )
}

#: The kinds of runs that are processes.
KINDS = (DefinitionKind.STEPS, DefinitionKind.FLOW)
_PATIENCE_MS = 3000
_MAX_CHILDREN = 1000
_MAX_HISTORY = 1000

#: The nodes that a line of a list needs: those that are open, and those that ended badly.
_SHOWN_NODES = [*NODE_OPEN, NodeStatus.FAILED, NodeStatus.ERROR]
_PLAIN_FIELDS = (
    *("uuid", "definition", "status", "want", "parent", "owner", "note", "subscriptions", "explanation"),
    *("created_at", "started_at", "ended_at", "organization"),
)
_PROJECTION: Mapping[str, Any] = {
    **dict.fromkeys(_PLAIN_FIELDS, 1),
    **{f"state.{key}": 1 for key in LISTED_KEYS},
    "nodes": {"$filter": {"input": "$nodes", "as": "node", "cond": {"$in": ["$$node.status", _SHOWN_NODES]}}},
    "named": {
        "$map": {
            "input": {
                "$filter": {
                    "input": {"$range": [0, {"$size": "$nodes"}]},
                    "as": "n",
                    "cond": {
                        "$in": [
                            {"$getField": {"field": "status", "input": {"$arrayElemAt": ["$nodes", "$$n"]}}},
                            _SHOWN_NODES,
                        ]
                    },
                }
            },
            "as": "n",
            "in": {"$getField": {"field": "name", "input": {"$arrayElemAt": ["$graph.nodes", "$$n"]}}},
        }
    },
}


class ProcessReader:
    """Reads the processes of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list_page(self, wish: PageWish, principal: Principal) -> tuple[list[ProcessSummary], int]:
        """Return a page of the processes that `principal` may see, and the number of all that match."""
        query = join_queries(make_visible_query(principal), wish.query)
        found = await self._store.find(
            RUNS,
            query,
            sort=wish.sort,
            skip=wish.start,
            limit=wish.n,
            projection=_PROJECTION,
            max_time_ms=_PATIENCE_MS,
        )
        return [summarize_process(parse_view(one)) for one in found], await self._store.count(RUNS, query)

    async def count_by_status(self, principal: Principal) -> dict[str, dict[str, int]]:
        """Return how many processes and tasks `principal` may see, by status. A task does not count as a process.

        The result is {"process_counts": {status: number}, "task_counts": {status: number}}, without the statuses that
        none has.
        """
        visible = make_visible_query(principal)
        counted: dict[str, dict[str, int]] = {"process_counts": {}, "task_counts": {}}
        for status in ProcessStatus:
            query = join_queries(visible, make_status_query(status))
            n_all = await self._store.count(RUNS, query)
            n_tasks = await self._store.count(RUNS, join_queries(query, make_task_query())) if n_all else 0
            if n_tasks:
                counted["task_counts"][status] = n_tasks
            if n_all > n_tasks:
                counted["process_counts"][status] = n_all - n_tasks
        return counted

    async def find_process(self, process_id: str, principal: Principal, action: Action) -> RunDocument:
        """Return the run of a process, if `principal` has the right to do `action` with it.

        Raises:
            NotFound: there is no such process, or the principal may not see it.
            Forbidden: the principal may see the process, but not do `action`.
        """
        absent = f"no process found with id: {process_id}"
        run_id = await repository.find_run_id(self._store, RunUuid(process_id))
        run = None if run_id is None else await repository.load_run(self._store, run_id)
        if run is None or run.kind not in KINDS:
            raise NotFound(absent)
        check_right(principal, action, run.organization, absent=absent)
        return run

    async def load_log(self, run_id: RunId) -> list[LogRow]:
        """Return the log of a process, in order."""
        return await repository.load_log(self._store, run_id)

    async def list_children(self, run: RunDocument) -> list[ChildProcess]:
        """Return the processes that steps of `run` have started, the oldest first."""
        query = {"$or": [{"started_by": run.id}, {"parent.run": run.id}]}
        found = await self._store.find(RUNS, query, sort=[("_id", 1)], limit=_MAX_CHILDREN, projection=_PROJECTION)
        return [
            ChildProcess(
                process_id=view.uuid,
                workflow_name=view.definition,
                status=find_process_status(view.status, view.nodes),
            )
            for view in map(parse_view, found)
        ]

    async def list_of_subscription(self, subscription_id: str, principal: Principal) -> list[ProcessSummary]:
        """Return the processes that have worked on a subscription, the oldest first."""
        about = {"$or": [{"subscriptions": subscription_id}, {"state.subscription_id": subscription_id}]}
        query = join_queries(make_visible_query(principal), about)
        found = await self._store.find(RUNS, query, sort=[("_id", 1)], limit=_MAX_HISTORY, projection=_PROJECTION)
        return [summarize_process(parse_view(one)) for one in found]

    async def find_summaries(self, run_ids: Iterable[RunId], principal: Principal) -> list[ProcessSummary]:
        """Return the lines for those of the runs that `principal` may see."""
        query = join_queries({"_id": {"$in": list(run_ids)}}, make_visible_query(principal))
        return [
            summarize_process(parse_view(one)) for one in await self._store.find(RUNS, query, projection=_PROJECTION)
        ]

    async def delete_task(self, run: RunDocument, *, by: str) -> None:
        """Delete a task that is over, with its log, as the user `by` asks.

        Raises:
            Rejected: the process is no task. Other processes are kept for the record.
            Conflict: the task is not over.
        """
        if not is_task(read_target(run.state)):
            raise Rejected(f"process {run.uuid} is no task: the record of a workflow is kept")
        query = {"_id": run.id, "status": {"$in": list(RUN_OVER)}}
        if not await self._store.delete_matching(RUNS, query):
            raise Conflict(f"process {run.uuid} is not over", hint="abort it first")
        await self._store.delete_matching(RUN_LOG, {"run": run.id})
        await AuditLog(self._store).note_change(by, describe_run(run, "delete"))


def make_visible_query(principal: Principal) -> Query:
    """Return the query that finds the processes that `principal` may see."""
    kinds: Query = {"kind": {"$in": list(KINDS)}}
    organizations = find_organizations(principal, Action.SEE_PROCESS)
    if organizations is None:
        return kinds
    # A run without an organization belongs to the default one.
    names: Sequence[str | None] = sorted(organizations)
    own = [*names, "", None] if DEFAULT_ORGANIZATION in organizations else names
    return {**kinds, "organization": {"$in": own}}


def parse_view(document: Mapping[str, Any]) -> RunView:
    """Return the part of a run that a line in a list needs. `document` is the database's projection of the run."""
    nodes = document.get("nodes") or []
    names = {node["key"]: name for node, name in zip(nodes, document.get("named") or [], strict=False)}
    return RunView.model_validate({**document, "id": document["_id"], "step_names": names})
