"""The routes of jobs: start, see, follow, cancel, repeat and delete them."""

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from runtime.web.news.event_streams import EventStreams, follow_object, read_last_event_id
from runtime.web.news.sse_format import StreamEvent
from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.api.automation.jobs import (
    JobCreateRequest,
    JobRerunRequest,
    JobsAnswer,
    JobSeen,
    RerunHosts,
)
from schemas.automation.jobs import JobDocument, JobStrategy
from schemas.errors import Rejected
from schemas.ids import CatalogueTaskId, InventoryId, TaskListId
from wms.engine.run_watch import RunWatch
from wms.gateway.craton.inventory_calls import (
    NUMBER,
    PAGED,
    cut_page,
    read_inventory_query,
    read_page,
)
from wms.gateway.craton.job_hosts import JOB_NAMED, OF_ONE_JOB, JobFinder, read_job_id
from wms.gateway.craton.job_shapes import read_secrets, show_job, summarize_job
from wms.jobs.job_parts import Jobs
from wms.jobs.job_reader import find_revision
from wms.jobs.job_wish import JobWish
from wms.secrets.secret_use import merge_files
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, roles_for

_LIST_QUERY: dict[str, Any] = {**PAGED, "inventory": NUMBER, "organization": {"type": "string"}}
#: How often a stream looks for results (seconds).
_LOOK_S = 1.0


class HostJobRoutes:
    """Handlers of /jobs and below."""

    def __init__(self, organizations: Organizations, jobs: Jobs, watch: RunWatch, streams: EventStreams) -> None:
        self._finder = JobFinder(organizations, jobs)
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
                OF_ONE_JOB,
                self.get_job,
                "Get a job with its tasks",
                roles=see,
                answer=JobSeen,
                errors=(404,),
                parameters=JOB_NAMED,
            ),
            Route(
                "DELETE",
                OF_ONE_JOB,
                self.delete_job,
                "Delete a job that is over, with its results",
                roles=roles_for(Action.DELETE_JOB),
                codes=(204,),
                errors=(404, 409),
                parameters=JOB_NAMED,
            ),
            Route(
                "POST",
                f"{OF_ONE_JOB}/actions/cancel",
                self.cancel_job,
                "Cancel a job. Its starter may, too",
                roles=see,
                answer=JobSeen,
                codes=(202,),
                errors=(404, 409),
                parameters=JOB_NAMED,
            ),
            Route(
                "POST",
                f"{OF_ONE_JOB}/actions/rerun",
                self.rerun_job,
                "Run the tasks of a job again, on those of its hosts that failed",
                roles=run,
                body=JobRerunRequest,
                answer=JobSeen,
                codes=(201,),
                errors=(404, 409, 413),
                parameters=JOB_NAMED,
            ),
            Route(
                "GET",
                f"{OF_ONE_JOB}/events",
                self.follow_job,
                "Follow a job as server-sent events, until it is over",
                roles=see,
                media_type="text/event-stream",
                errors=(404,),
                query={"last_event_id": False},
                parameters=JOB_NAMED,
            ),
        ]

    async def _answer_job(self, job: JobDocument, code: int = 200) -> Response:
        return answer_json(show_job(await self._jobs.reader.view_job(job)), code=code)

    async def list_jobs(self, call: Call) -> Response:
        before, limit = read_page(call)
        query: dict[str, Any] = {}
        if (inventory := read_inventory_query(call)) is not None:
            query["inventory"] = inventory
        if (organization := call.read_query("organization")) is not None:
            query["organization"] = organization
        principal = await self._finder.find_principal(call)
        found = await self._jobs.service.list_jobs(principal, query, before=before, limit=limit + 1)
        page, following = cut_page(found, limit, [each.id for each in found])
        views = await self._jobs.reader.view_jobs(page)
        return answer_json(JobsAnswer(jobs=list(map(summarize_job, views)), next=following))

    async def create_job(self, call: Call) -> Response:
        body: JobCreateRequest = call.body
        principal = await self._finder.find_principal(call)
        wish = await self._read_wish(principal, body)
        return await self._answer_job(await self._jobs.service.create_job(principal, wish, once=call.once), 201)

    async def _read_wish(self, principal: Principal, body: JobCreateRequest) -> JobWish:
        named = [name for name in ("task", "tasks", "workflow") if getattr(body, name) is not None]
        if len(named) != 1:
            raise Rejected(
                f"name one of 'task', 'tasks' and 'workflow', and not {', '.join(map(repr, named)) or 'none'}",
                hint="a task by its id, several in their order, or a saved workflow",
            )
        secrets = read_secrets(body.secrets)
        title, payload, strategy, list_id = "", body.payload, body.strategy or JobStrategy.LINEAR, None
        if body.workflow is not None:
            saved = await self._jobs.lists.get_list(principal, TaskListId(body.workflow))
            tasks, title, list_id = saved.tasks, saved.name, saved.id
            payload = {**json.loads(saved.payload), **body.payload}
            secrets = merge_files(saved.secrets, secrets)
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
            secrets=secrets,
            timeout_s=body.timeout_s,
        )

    async def get_job(self, call: Call) -> Response:
        return await self._answer_job(await self._finder.find_job(call))

    async def delete_job(self, call: Call) -> Response:
        await self._jobs.service.delete_job(await self._finder.find_principal(call), read_job_id(call))
        return answer_nothing()

    async def cancel_job(self, call: Call) -> Response:
        principal = await self._finder.find_principal(call)
        return await self._answer_job(await self._jobs.service.cancel_job(principal, read_job_id(call)), 202)

    async def rerun_job(self, call: Call) -> Response:
        body: JobRerunRequest = call.body
        if not body.hosts.is_known:
            raise Rejected(f"'hosts': must be one of {', '.join(RerunHosts)}")
        principal = await self._finder.find_principal(call)
        again = await self._jobs.service.rerun_job(principal, read_job_id(call), body.hosts, once=call.once)
        return await self._answer_job(again, 201)

    async def follow_job(self, call: Call) -> Response:
        """Send the job now and after each change as `job`, and then `end`. The id says what the client has seen."""
        job = await self._finder.find_job(call)
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
        events = follow_object(read_after, after=after, wait=wait, is_over=lambda event: event.name == "end")
        return self._streams.open_stream(call, events)
