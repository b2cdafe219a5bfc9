"""Load and store the works of jobs: workflows of the fleet that run tasks on hosts."""

from collections.abc import Mapping

from pydantic import ValidationError

from runtime.clock import stored_now
from runtime.kernel.store import Index, Store
from runtime.telemetry import log
from schemas.automation.jobs import JOB_WORKS, JobWorkDocument
from schemas.ids import RunUuid, WorkflowId
from wms.jobs.stored.documents import make_stored, read_stored

INDEXES: Mapping[str, tuple[Index, ...]] = {
    JOB_WORKS: (Index(("job",)), Index(("is_over", "_id"), partial={"is_over": False}))
}


class WorkStore:
    """The works of one database."""

    def __init__(self, store: Store) -> None:
        self.store = store
        #: The uuid of a job -> why its open work cannot be read, as `list_open` last found it.
        self.unreadable: Mapping[str, str] = {}

    async def add_work(self, work: JobWorkDocument) -> JobWorkDocument:
        """Store a work, and return it; the one that is there stays."""
        await self.store.insert_new(JOB_WORKS, [make_stored(work)])
        return await self.find_work(work.id) or work

    async def find_work(self, workflow_id: WorkflowId) -> JobWorkDocument | None:
        """Return the work of a workflow; None: the workflow belongs to no job."""
        found = await self.store.find_one(JOB_WORKS, {"_id": workflow_id})
        return None if found is None else read_stored(JobWorkDocument, found)

    async def list_open(self) -> list[JobWorkDocument]:
        """Return the works that are not over. Leave out those that cannot be read, and note them in `unreadable`."""
        works, unreadable = [], {}
        for each in await self.store.find(JOB_WORKS, {"is_over": False}):
            try:
                works.append(read_stored(JobWorkDocument, each))
            except ValidationError as error:
                fields = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}))
                unreadable[str(each.get("job"))] = (
                    f"WMS cannot read what it has stored of workflow {each['_id']}: {fields}"
                )
                log.error("a work cannot be read", workflow_id=each["_id"], job=each.get("job"), fields=fields)
        self.unreadable = unreadable
        return works

    async def list_of_job(self, job: RunUuid) -> list[JobWorkDocument]:
        """Return the works of a job."""
        found = await self.store.find(JOB_WORKS, {"job": job}, sort=[("created_at", 1)])
        return [read_stored(JobWorkDocument, each) for each in found]

    async def note_fed(self, work: JobWorkDocument, n_fed: int) -> bool:
        """Note how many events of a work are published; return False if another process has noted another number."""
        query = {"_id": work.id, "n_fed": work.n_fed}
        return await self.store.compare_and_set(JOB_WORKS, query, {"$set": {"n_fed": n_fed, "fed_at": stored_now()}})

    async def end_work(self, workflow_id: WorkflowId) -> None:
        """Note that a work is over."""
        await self.store.compare_and_set(JOB_WORKS, {"_id": workflow_id}, {"$set": {"is_over": True}})

    async def delete_of_job(self, job: RunUuid) -> None:
        """Delete the works of a job."""
        await self.store.delete_matching(JOB_WORKS, {"job": job})
