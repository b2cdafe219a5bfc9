"""Load and store jobs, their hosts, and the results of tasks on these."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from runtime.kernel.decision import Document, Insert
from runtime.kernel.store import Index, Store
from schemas.automation.jobs import JOB_HOSTS, JOBS, HostResult, HostState, JobDocument, JobHostDocument
from schemas.errors import NotFound
from schemas.ids import RunId, RunUuid
from wms.byte_pages import find_page
from wms.jobs.plans.host_choice import HostFacts, judge_host
from wms.jobs.stored.documents import make_stored, read_stored

INDEXES: Mapping[str, tuple[Index, ...]] = {
    JOBS: (
        Index(("organization", "_id")),
        Index(("uuid",), unique=True),
        Index(("inventory", "_id")),
        Index(("tasks.task", "_id")),
    ),
    JOB_HOSTS: (Index(("job", "place"), unique=True), Index(("job", "name"))),
}

#: How many hosts of a new job are stored at once.
_PIECE = 200
_FACTS = {"batch": 1, "place": 1, "state": 1, "states": 1}


def make_absence(job_id: object) -> NotFound:
    """Return the error about a job that does not exist for the caller."""
    return NotFound(f"no job found with id: {job_id}")


def make_job_insert(job: JobDocument) -> Insert:
    """Return what stores a new job, without its hosts."""
    return Insert(JOBS, make_stored(job))


class JobStore:
    """The jobs of one database."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def load_job(self, job_id: RunId) -> JobDocument:
        """Return a job.

        Raises:
            NotFound: there is none.
        """
        found = await self.store.find_one(JOBS, {"_id": job_id})
        if found is None:
            raise make_absence(job_id)
        return read_stored(JobDocument, found)

    async def find_job(self, uuid: RunUuid) -> JobDocument | None:
        """Return the job of a run; None: the run is no job."""
        found = await self.store.find_one(JOBS, {"uuid": uuid})
        return None if found is None else read_stored(JobDocument, found)

    async def list_jobs(self, query: Mapping[str, Any], *, limit: int) -> list[JobDocument]:
        """Return the latest jobs that match `query`, the newest first."""
        found = await self.store.find(JOBS, dict(query), sort=[("_id", -1)], limit=limit)
        return [read_stored(JobDocument, each) for each in found]

    async def list_facts(self, job: RunUuid, up_to_batch: int) -> list[tuple[int, HostFacts]]:
        """Return the hosts of a job up to a batch, in their order, each with its place."""
        query = {"job": job, "batch": {"$lte": up_to_batch}}
        return [(each["place"], _read_facts(each)) for each in await self._find_facts(query)]

    async def list_facts_at(self, job: RunUuid, places: Collection[int]) -> list[HostFacts]:
        """Return the hosts of a job at these places, in their order."""
        return [_read_facts(each) for each in await self._find_facts({"job": job, "place": {"$in": list(places)}})]

    async def _find_facts(self, query: Mapping[str, Any]) -> list[Document]:
        return await self.store.find(JOB_HOSTS, dict(query), sort=[("place", 1)], projection=_FACTS)

    async def list_hosts(
        self, job: RunUuid, places: Sequence[int] | None = None, **query: Any
    ) -> list[JobHostDocument]:
        """Return hosts of a job, in their order: those at `places`, or all; and those that match `query`."""
        wanted: dict[str, Any] = {"job": job, **query}
        if places is not None:
            wanted["place"] = {"$in": list(places)}
        found = await self.store.find(JOB_HOSTS, wanted, sort=[("place", 1)])
        return [read_stored(JobHostDocument, each) for each in found]

    async def page_hosts(self, query: Mapping[str, Any], *, limit: int) -> tuple[list[JobHostDocument], bool]:
        """Return the first hosts that match `query`, in their order, and whether there are more.

        Hosts have outputs. So a page has at most a few MiB of them, if that is less than `limit` hosts.
        """
        found, has_more = await find_page(self.store, JOB_HOSTS, query, order="place", limit=limit)
        return [read_stored(JobHostDocument, each) for each in found], has_more

    async def list_names(self, job: RunUuid, query: Mapping[str, Any]) -> frozenset[str]:
        """Return the names of the hosts of a job that match `query`."""
        found = await self.store.find(JOB_HOSTS, {**query, "job": job}, projection={"name": 1})
        return frozenset(each["name"] for each in found)

    async def add_hosts(self, job: RunUuid, hosts: Sequence[JobHostDocument]) -> None:
        """Store the hosts of a job that is not stored yet, instead of those that an earlier try has left."""
        await self.delete_hosts_without_job(job)
        for first in range(0, len(hosts), _PIECE):
            made = await asyncio.to_thread(_make_all_stored, hosts[first : first + _PIECE])
            await self.store.insert_new(JOB_HOSTS, made)

    async def count_hosts(self, job: RunUuid) -> int:
        """Return how many hosts of a job are stored."""
        return await self.store.count(JOB_HOSTS, {"job": job})

    async def list_hosts_without_job(self) -> frozenset[RunUuid]:
        """Return the uuids that have hosts and no job: those of jobs that just begin, and of requests that failed."""
        of_hosts = set(await self.store.distinct(JOB_HOSTS, "job", {}))
        known = await self.store.find(JOBS, {}, projection={"uuid": 1})
        return frozenset(of_hosts - {each["uuid"] for each in known})

    async def delete_hosts_without_job(self, job: RunUuid) -> None:
        """Delete the hosts of a job that was never stored. Those of a job stay."""
        if await self.find_job(job) is None:
            await self.store.delete_matching(JOB_HOSTS, {"job": job})

    async def keep_results(self, results: Iterable[tuple[str, int, HostResult]]) -> None:
        """Store results: (id of the host, number of the task, result). The first one stays, unless it is doubtful."""
        updates = []
        for host, task, result in results:
            key = f"results.{task}"
            open_to: list[dict[str, Any]] = [{key: {"$exists": False}}]
            if not result.is_doubtful:
                open_to.append({f"{key}.is_doubtful": True})
            kept = {key: result.model_dump(exclude_none=True), f"states.{task}": result.state.value}
            updates.append(({"_id": host, "$or": open_to}, {"$set": kept}))
        await self.store.bulk_update(JOB_HOSTS, updates)

    async def settle_states(self, job: RunUuid, places: Collection[int], n_tasks: int) -> None:
        """Bring the states of hosts up to date with their results."""
        query = {"job": job, "place": {"$in": list(places)}}
        found = await self.store.find(JOB_HOSTS, query, projection=_FACTS)
        updates = []
        for each in found:
            state = judge_host(_read_states(each), n_tasks)
            if state.value != each["state"]:
                updates.append(({"_id": each["_id"]}, {"$set": {"state": state.value}}))
        await self.store.bulk_update(JOB_HOSTS, updates)

    async def count_results(
        self, job: RunUuid, n_tasks: int
    ) -> tuple[dict[HostState, int], list[dict[HostState, int]]]:
        """Return how many hosts of a job are in each state, and the same for each of its tasks."""
        facets = {f"t{task}": [{"$group": {"_id": f"$states.{task}", "n": {"$sum": 1}}}] for task in range(n_tasks)}
        facets["hosts"] = [{"$group": {"_id": "$state", "n": {"$sum": 1}}}]
        (found,) = await self.store.aggregate(JOB_HOSTS, [{"$match": {"job": job}}, {"$facet": facets}])
        return _read_counts(found["hosts"]), [_read_counts(found[f"t{task}"]) for task in range(n_tasks)]

    async def delete_job(self, job: JobDocument) -> None:
        """Delete a job with its hosts."""
        await self.store.delete_matching(JOBS, {"_id": job.id})
        await self.store.delete_matching(JOB_HOSTS, {"job": job.uuid})


def _make_all_stored(hosts: Iterable[JobHostDocument]) -> list[Document]:
    return [make_stored(host) for host in hosts]


def _read_facts(document: Document) -> HostFacts:
    return HostFacts(document["_id"], document["batch"], _read_states(document))


def _read_states(document: Document) -> dict[int, HostState]:
    return {int(task): HostState(state) for task, state in document.get("states", {}).items()}


def _read_counts(rows: Sequence[Mapping[str, Any]]) -> dict[HostState, int]:
    return {HostState(row["_id"]): row["n"] for row in rows if row["_id"] is not None}
