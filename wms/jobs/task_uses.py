"""Find what uses a task, so that the task is not deleted: jobs under way, and saved lists of its own organization.

A list of another organization does not keep a task: otherwise each tenant could keep a public task for ever. Names and
ids of other organizations are not shown.
"""

from collections.abc import Sequence

from runtime.kernel.store import Store
from schemas.automation.catalogue import CatalogueTask
from schemas.automation.jobs import JOB_DEFINITION, JOBS, TASK_LISTS
from schemas.engine.run_documents import RUNS
from schemas.engine.runs import RUN_OVER, RunStatus

_OPEN = sorted(set(RunStatus) - RUN_OVER)
#: How many lists and jobs an error names.
_MAX_NAMED = 10


class TaskUses:
    """The uses of tasks in one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find_lists(self, task: CatalogueTask) -> Sequence[str]:
        """Return which saved lists of the task's organization have it, in words for people."""
        query = {"tasks": task.id, "organization": task.organization}
        found = await self._store.find(TASK_LISTS, query, limit=_MAX_NAMED, projection={"name": 1})
        return [f"the workflow {each['name']!r}" for each in found]

    async def find_jobs(self, task: CatalogueTask) -> Sequence[str]:
        """Return which jobs under way use the task, in words for people; those of other organizations as a number."""
        is_open = {"status": {"$in": _OPEN}, "definition": JOB_DEFINITION}
        runs = await self._store.find(RUNS, is_open, projection={"_id": 1})
        query = {"_id": {"$in": [each["_id"] for each in runs]}, "tasks.task": task.id}
        jobs = await self._store.find(JOBS, query, projection={"organization": 1}, sort=[("_id", 1)])
        own = [f"job {each['_id']}" for each in jobs if each["organization"] == task.organization]
        n_others = len(jobs) - len(own)
        others = [f"{n_others} job(s) of other organizations"] if n_others else []
        return [*own[:_MAX_NAMED], *others]
