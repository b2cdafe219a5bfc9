"""The routes of a job's hosts: their results, and what their containers wrote."""

from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from schemas.api.automation.jobs import JobHostsAnswer, JobHostSeen, JobLogAnswer, JobLogPart
from schemas.automation.jobs import HostState, JobDocument, JobHostDocument
from schemas.engine.runs import RunStatus
from schemas.errors import NotFound, Rejected
from schemas.ids import RunId
from wms.gateway.craton.inventory_calls import MAX_PAGE, NAME, NUMBER, PAGE, PAGED, read_page
from wms.gateway.craton.job_shapes import show_job_host
from wms.jobs.job_parts import Jobs
from wms.jobs.plans.judging import show_host_state
from wms.jobs.stored.job_store import make_absence
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, roles_for
from wms.trees.object_ids import read_object_id

OF_ONE_JOB = "/jobs/{job}"
#: The path parameter of the routes below it.
JOB_NAMED = {"job": NUMBER}
_OF_HOST = f"{OF_ONE_JOB}/hosts/{{host}}"
_HOST_QUERY: dict[str, Any] = {**PAGED, "state": {"type": "string", "enum": [*HostState]}}
_LOG_QUERY: dict[str, Any] = {
    "host": NAME,
    "task": NUMBER,
    "after": {"type": "integer", "minimum": 0},
    "limit": PAGED["limit"],
}


class JobFinder:
    """Finds the job that a call names, if the caller may see it."""

    def __init__(self, organizations: Organizations, jobs: Jobs) -> None:
        self._organizations = organizations
        self._jobs = jobs

    async def find_principal(self, call: Call) -> Principal:
        """Return who calls."""
        return await self._organizations.find_principal(call.caller)

    async def find_job(self, call: Call) -> JobDocument:
        """Return the job of the call's path.

        Raises:
            NotFound: the caller sees no such job.
        """
        return await self._jobs.service.get_job(await self.find_principal(call), read_job_id(call))


class JobHostRoutes:
    """Handlers of /jobs/{job}/hosts and /jobs/{job}/log."""

    def __init__(self, organizations: Organizations, jobs: Jobs) -> None:
        self._finder = JobFinder(organizations, jobs)
        self._jobs = jobs

    def routes(self) -> list[Route]:
        """Return the routes."""
        see = roles_for(Action.SEE_JOB)
        return [
            Route(
                "GET",
                f"{OF_ONE_JOB}/hosts",
                self.list_hosts,
                "List the hosts of a job with the results of its tasks",
                roles=see,
                answer=JobHostsAnswer,
                errors=(404,),
                query=dict.fromkeys(_HOST_QUERY, False),
                parameters={**JOB_NAMED, **_HOST_QUERY},
            ),
            Route(
                "GET",
                _OF_HOST,
                self.get_host,
                "Get a host of a job with the results of its tasks",
                roles=see,
                answer=JobHostSeen,
                errors=(404,),
                parameters={**JOB_NAMED, "host": NAME},
            ),
            Route(
                "GET",
                f"{OF_ONE_JOB}/log",
                self.read_log,
                "Read what the containers of a job wrote: of all, or of one host or task",
                roles=see,
                answer=JobLogAnswer,
                errors=(404,),
                query=dict.fromkeys(_LOG_QUERY, False),
                parameters={**JOB_NAMED, **_LOG_QUERY},
            ),
        ]

    async def list_hosts(self, call: Call) -> Response:
        job = await self._finder.find_job(call)
        after, limit = read_page(call)
        run = await self._find_run_status(job)
        query: dict[str, Any] = {"job": job.uuid, "place": {"$gte": after}}
        if (text := call.read_query("state")) is not None:
            query["state"] = {"$in": _find_stored_states(text, run)}
        page, has_more = await self._jobs.store.page_hosts(query, limit=limit)
        following = page[-1].place + 1 if has_more else None
        shown = [show_job_host(job, host, run) for host in page]
        return answer_json(JobHostsAnswer(hosts=shown, next=following))

    async def get_host(self, call: Call) -> Response:
        job = await self._finder.find_job(call)
        host = await self._load_host(job, call.read_path("host"))
        return answer_json(show_job_host(job, host, await self._find_run_status(job)))

    async def read_log(self, call: Call) -> Response:
        job = await self._finder.find_job(call)
        name, number = call.read_query("host"), call.read_number("task", 0)
        if number > len(job.tasks):
            raise NotFound(f"job {job.id} has {len(job.tasks)} tasks, and no task {number}")
        host = None if name is None else await self._load_host(job, name)
        limit = call.read_number("limit", PAGE, minimum=1, maximum=MAX_PAGE)
        parts, place = await self._jobs.logs.read_parts(
            job, host, number - 1 if number else None, after=call.read_number("after", 0), limit=limit
        )
        shown = [JobLogPart(**{**asdict(part), "task": part.task + 1}) for part in parts]
        return answer_json(JobLogAnswer(parts=shown, next=place))

    async def _load_host(self, job: JobDocument, name: str) -> JobHostDocument:
        found = await self._jobs.store.list_hosts(job.uuid, name=name)
        if not found:
            raise NotFound(f"job {job.id} has no host called {name!r}")
        return found[0]

    async def _find_run_status(self, job: JobDocument) -> RunStatus:
        return (await self._jobs.reader.view_job(job)).run_status


def _find_stored_states(text: str, run: RunStatus) -> list[str]:
    """Return the states that are stored for hosts whose state people see as `text`.

    Raises:
        Rejected: it is no state.
    """
    wanted = HostState(text)
    if not wanted.is_known:
        raise Rejected(f"'state': must be one of {', '.join(HostState)}")
    return [state.value for state in HostState if show_host_state(state, run) is wanted]


def read_job_id(call: Call) -> RunId:
    """Return the id of the job in the call's path.

    Raises:
        NotFound: no job can have this id.
    """
    text = call.read_path("job")
    found = read_object_id(text)
    if found is None:
        raise make_absence(text)
    return RunId(found)
