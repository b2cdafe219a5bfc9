"""The routes that show processes, and write or delete what is known about them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, RootModel
from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.api.processes import ProcessDetail, ProcessSummary
from schemas.api.workflows.explanation import ObjectExplanation
from wms.gateway.processes.bodies import NoteBody
from wms.gateway.processes.callers import Callers
from wms.insight.runs.run_explainer import RunExplainer
from wms.processes.process_documents import describe_process, summarize_process, view_run
from wms.processes.process_filters import FILTER_FIELDS, MAX_PAGE, SORT_FIELDS, parse_page
from wms.processes.process_reader import ProcessReader
from wms.processes.process_service import ProcessService
from wms.tenancy.rights import Action, roles_for

_PAIRS = "pairs of a field and a value, separated by commas"
LIST_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "range": {"type": "string", "description": f"first,last from 0; at most {MAX_PAGE} at once", "examples": ["0,24"]},
    "sort": {"type": "string", "description": f"{_PAIRS}, asc or desc. Fields: {', '.join(SORT_FIELDS)}"},
    "filter": {"type": "string", "description": f"{_PAIRS}. Fields: {', '.join(FILTER_FIELDS)}"},
}


class ProcessList(RootModel[list[ProcessSummary]]):
    """A page of processes. `Content-Range` says how many there are in all."""


class StatusCounts(BaseModel):
    """How many processes and how many tasks have each status. A status that none has is left out."""

    process_counts: dict[str, int]
    task_counts: dict[str, int]


class ProcessRoutes:
    """Handlers of /processes and of what they show."""

    def __init__(
        self, callers: Callers, reader: ProcessReader, service: ProcessService, explainer: RunExplainer
    ) -> None:
        self._callers = callers
        self._reader = reader
        self._service = service
        self._explainer = explainer

    def routes(self) -> list[Route]:
        """Return the routes. What has a name of its own comes before `{process_id}`."""
        sees, of_one = roles_for(Action.SEE_PROCESS), "/processes/{process_id}"
        query = dict.fromkeys(LIST_PARAMETERS, False)
        return [
            Route(
                "GET",
                "/processes",
                self.list_processes,
                "List processes",
                roles=sees,
                answer=ProcessList,
                query=query,
                parameters=LIST_PARAMETERS,
            ),
            Route(
                "GET",
                "/processes/status-counts",
                self.count_statuses,
                "Count processes and tasks by status",
                roles=sees,
                answer=StatusCounts,
            ),
            Route("GET", of_one, self.get_process, "Get a process with its steps", roles=sees, answer=ProcessDetail),
            Route(
                "GET",
                f"{of_one}/explain",
                self.get_explanation,
                "Get why a process stands as it does: causes and remedies, the most serious first",
                roles=sees,
                is_heavy=True,
                answer=ObjectExplanation,
                errors=(404,),
            ),
            Route(
                "DELETE",
                of_one,
                self.delete_process,
                "Delete a task that is over, with its log",
                roles=roles_for(Action.DELETE_PROCESS),
                codes=(204,),
                errors=(404, 409),
            ),
            Route(
                "PATCH",
                of_one,
                self.write_note,
                "Write a note about a process",
                roles=roles_for(Action.RESUME_PROCESS),
                body=NoteBody,
                answer=ProcessSummary,
            ),
        ]

    async def list_processes(self, call: Call) -> Response:
        wish = parse_page(
            filters=call.read_query("filter"), sort=call.read_query("sort"), page=call.read_query("range")
        )
        found, n_all = await self._reader.list_page(wish, await self._callers.find_principal(call))
        return answer_page("processes", found, wish.start, n_all)

    async def count_statuses(self, call: Call) -> Response:
        return answer_json(await self._reader.count_by_status(await self._callers.find_principal(call)))

    async def get_process(self, call: Call) -> Response:
        _, run = await self._callers.find_process(call, Action.SEE_PROCESS)
        document = describe_process(
            run,
            await self._reader.load_log(run.id),
            form=await self._service.describe_form(run),
            children=await self._reader.list_children(run),
        )
        return answer_json(document)

    async def get_explanation(self, call: Call) -> Response:
        _, run = await self._callers.find_process(call, Action.SEE_PROCESS)
        seen = summarize_process(view_run(run))
        found = await self._explainer.explain_run(run, standing=seen.status.value, why=seen.explanation)
        return answer_json(found)

    async def delete_process(self, call: Call) -> Response:
        principal, run = await self._callers.find_process(call, Action.DELETE_PROCESS)
        await self._reader.delete_task(run, by=principal.subject)
        return answer_nothing()

    async def write_note(self, call: Call) -> Response:
        principal, run = await self._callers.find_process(call, Action.RESUME_PROCESS)
        body: NoteBody = call.body
        await self._service.write_note(run, body.note, principal)
        return answer_json(summarize_process(view_run(run.model_copy(update={"note": body.note}))))


def answer_page(what: str, found: Sequence[BaseModel], start: int, n_all: int) -> Response:
    """Return the answer with a page of a list that has `n_all` in all."""
    response = answer_json(found)
    response.headers["Content-Range"] = f"{what} {start}-{max(start, start + len(found) - 1)}/{n_all}"
    return response
