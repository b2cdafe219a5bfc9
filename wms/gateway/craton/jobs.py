"""The routes of jobs: start, see, follow, cancel, repeat and delete them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from runtime.web.event_streams import EventStreams, follow_rows, read_last_event_id
from runtime.web.route import Call, Route, answer_json, answer_nothing
from runtime.web.sse_format import StreamEvent
from schemas.api.jobs import (
    JobCreateRequest,
    JobHostsAnswer,
    JobHostSeen,
    JobLogAnswer,
    JobLogPart,
    JobRerunRequest,
    JobsAnswer,
    JobSeen,
    RerunHosts,
)
from schemas.errors import NotFound, Rejected
from schemas.ids import CatalogueTaskId, InventoryId, RunId, TaskListId
from schemas.jobs import HostState, JobDocument, JobHostDocument, JobStrategy
from schemas.runs import RunStatus
from wms.engine.run_watch import RunWatch
from wms.gateway.craton.inventory_calls import (
    MAX_PAGE,
    NAME,
    NUMBER,
    PAGE,
    PAGED,
    cut_page,
    read_inventory_query,
    read_page,
)
from wms.gateway.craton.job_shapes import show_job, show_job_host, summarize_job
from wms.jobs.job_parts import Jobs
from wms.jobs.job_reader import find_revision
from wms.jobs.job_wish import JobWish
from wms.jobs.plans.judging import show_host_state
from wms.jobs.stored.job_store import make_absence
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, roles_for
from wms.trees.object_ids import read_object_id

_OF_ONE = "/jobs/{job}"
_OF_HOST = f"{_OF_ONE}/hosts/{{host}}"
_NAMED = {"job": NUMBER}
_LIST_QUERY: dict[str, Any] = {**PAGED, "inventory": NUMBER, "organization": {"type": "string"}}
_HOST_QUERY: dict[str, Any] = {**PAGED, "state": {"type": "string", "enum": [*HostState]}}
_LOG_QUERY: dict[str, Any] = {
    "host": NAME,
    "task": NUMBER,
    "after": {"type": "integer", "minimum": 0},
    "limit": PAGED["limit"],
}
#: How often a stream looks for results (seconds).
_LOOK_S = 1.0


class HostJobRoutes:
    """Handlers of /jobs and below."""

    def __init__(self, organizations: Organizations, jobs: Jobs, watch: RunWatch, streams: EventStreams) -> None:
        self._organizations = organizations
        self._jobs = jobs
        self._watch = watch
        self._streams = streams

    def routes(self) -> list[Route]:
        """Return the routes."""
        see = roles_for(Action.SEE_JOB)
        run = roles_for(Action.RUN_ON_INVENTORY)
        return [
            Route(
                "GET",
                "/jobs",
                self.list_jobs,
                "List the jobs that the caller sees, the newest first",
                roles=see,
                answer=JobsAnswer,
                query=dict.fromkeys(_LIST_QUERY, False),
                parameters=_LIST_QUERY,
            ),
            Route(
                "POST",
                "/jobs",
                self.create_job,
                "Run a task, or a list of tasks, on hosts of an inventory",
                roles=run,
                body=JobCreateRequest,
                answer=JobSeen,
                codes=(201,),
                errors=(404, 409, 413),
            ),
            Route(
                "GET",
                _OF_ONE,
                self.get_job,
                "Get a job with its tasks",
                roles=see,
                answer=JobSeen,
                errors=(404,),
                parameters=_NAMED,
            ),
            Route(
                "DELETE",
                _OF_ONE,
                self.delete_job,
                "Delete a job that is over, with its results",
                roles=roles_for(Action.DELETE_JOB),
                codes=(204,),
                errors=(404, 409),
                parameters=_NAMED,
            ),
            Route(
                "POST",
                f"{_OF_ONE}/actions/cancel",
                self.cancel_job,
                "Cancel a job. Its starter may, too",
                roles=see,
                answer=JobSeen,
                codes=(202,),
                errors=(404, 409),
                parameters=_NAMED,
            ),
            Route(
                "POST",
                f"{_OF_ONE}/actions/rerun",
                self.rerun_job,
                "Run the tasks of a job again, on those of its hosts that failed",
                roles=run,
                body=JobRerunRequest,
                answer=JobSeen,
                codes=(201,),
                errors=(404, 409, 413),
                parameters=_NAMED,
            ),
            Route(
                "GET",
                f"{_OF_ONE}/events",
                self.follow_job,
                "Follow a job as server-sent events, until it is over",
                roles=see,
                media_type="text/event-stream",
                errors=(404,),
                query={"last_event_id": False},
                parameters=_NAMED,
            ),
            Route(
                "GET",
                f"{_OF_ONE}/hosts",
                self.list_hosts,
                "List the hosts of a job with the results of its tasks",
                roles=see,
                answer=JobHostsAnswer,
                errors=(404,),
                query=dict.fromkeys(_HOST_QUERY, False),
                parameters={**_NAMED, **_HOST_QUERY},
            ),
            Route(
                "GET",
                _OF_HOST,
                self.get_host,
                "Get a host of a job with the results of its tasks",
                roles=see,
                answer=JobHostSeen,
                errors=(404,),
                parameters={**_NAMED, "host": NAME},
            ),
            Route(
                "GET",
                f"{_OF_ONE}/log",
                self.read_log,
                "Read what the containers of a job wrote: of all, or of one host or task",
                roles=see,
                answer=JobLogAnswer,
                errors=(404,),
                query=dict.fromkeys(_LOG_QUERY, False),
                parameters={**_NAMED, **_LOG_QUERY},
            ),
        ]

    async def _find_principal(self, call: Call) -> Principal:
        return await self._organizations.find_principal(call.caller)

    async def _find_job(self, call: Call) -> JobDocument:
        return await self._jobs.service.get_job(await self._find_principal(call), _read_job_id(call))

    async def _answer(self, job: JobDocument, code: int = 200) -> Response:
        return answer_json(show_job(await self._jobs.reader.view_job(job)), code=code)

    async def list_jobs(self, call: Call) -> Response:
        before, limit = read_page(call)
        query: dict[str, Any] = {}
        if (inventory := read_inventory_query(call)) is not None:
            query["inventory"] = inventory
        if (organization := call.read_query("organization")) is not None:
            query["organization"] = organization
        principal = await self._find_principal(call)
        found = await self._jobs.service.list_jobs(principal, query, before=before, limit=limit + 1)
        page, following = cut_page(found, limit, [each.id for each in found])
        views = await self._jobs.reader.view_jobs(page)
        return answer_json(JobsAnswer(jobs=list(map(summarize_job, views)), next=following))

    async def create_job(self, call: Call) -> Response:
        body: JobCreateRequest = call.body
        principal = await self._find_principal(call)
        wish = await self._read_wish(principal, body)
        return await self._answer(await self._jobs.service.create_job(principal, wish, once=call.once), 201)

    async def _read_wish(self, principal: Principal, body: JobCreateRequest) -> JobWish:
        named = [name for name in ("task", "tasks", "workflow") if getattr(body, name) is not None]
        if len(named) != 1:
            raise Rejected(
                f"name one of 'task', 'tasks' and 'workflow', and not {', '.join(map(repr, named)) or 'none'}",
                hint="a task by its id, several in their order, or a saved workflow",
            )
        title, payload, strategy, list_id = "", body.payload, body.strategy or JobStrategy.LINEAR, None
        if body.workflow is not None:
            saved = await self._jobs.lists.get_list(principal, TaskListId(body.workflow))
            tasks, title, list_id = saved.tasks, saved.name, saved.id
            payload = {**json.loads(saved.payload), **body.payload}
            strategy = body.strategy or saved.strategy
        else:
            ids = (body.task,) if body.task is not None else body.tasks or ()
            tasks = tuple(map(CatalogueTaskId, ids))
        return JobWish(
            tasks=tasks,
            task_list=list_id,
            title=title,
            inventory=InventoryId(body.inventory),
            limit=body.limit,
            payload=payload,
            strategy=strategy,
            serial=body.serial,
            max_fail_percentage=body.max_fail_percentage,
        )

    async def get_job(self, call: Call) -> Response:
        return await self._answer(await self._find_job(call))

    async def delete_job(self, call: Call) -> Response:
        await self._jobs.service.delete_job(await self._find_principal(call), _read_job_id(call))
        return answer_nothing()

    async def cancel_job(self, call: Call) -> Response:
        principal = await self._find_principal(call)
        return await self._answer(await self._jobs.service.cancel_job(principal, _read_job_id(call)), 202)

    async def rerun_job(self, call: Call) -> Response:
        body: JobRerunRequest = call.body
        if not body.hosts.is_known:
            raise Rejected(f"'hosts': must be one of {', '.join(RerunHosts)}")
        principal = await self._find_principal(call)
        again = await self._jobs.service.rerun_job(principal, _read_job_id(call), body.hosts, once=call.once)
        return await self._answer(again, 201)

    async def follow_job(self, call: Call) -> Response:
        """Send the job now and after each change as `job`, and then `end`. The id says what the client has seen."""
        job = await self._find_job(call)
        ticket = self._watch.take_ticket(job.id)

        async def read_after(place: str) -> Sequence[StreamEvent]:
            view = await self._jobs.reader.view_job(job)
            revision = find_revision(view)
            events = []
            if revision != place:
                events.append(StreamEvent(data=show_job(view).model_dump_json(), id=revision, name="job"))
            if view.is_over:
                events.append(StreamEvent(data="{}", id=revision, name="end"))
            return events

        async def wait() -> None:
            await ticket.wait(within_s=_LOOK_S)

        after = read_last_event_id(call)
        events = follow_rows(read_after, after=after, wait=wait, is_over=lambda event: event.name == "end")
        return self._streams.open_stream(call, events)

    async def list_hosts(self, call: Call) -> Response:
        job = await self._find_job(call)
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
        job = await self._find_job(call)
        host = await self._load_host(job, call.read_path("host"))
        return answer_json(show_job_host(job, host, await self._find_run_status(job)))

    async def read_log(self, call: Call) -> Response:
        job = await self._find_job(call)
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


def _read_job_id(call: Call) -> RunId:
    text = call.read_path("job")
    found = read_object_id(text)
    if found is None:
        raise make_absence(text)
    return RunId(found)
