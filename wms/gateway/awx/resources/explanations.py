"""The routes that say why a tree or a schedule stands as it does. They are ours: the dialect has texts only."""

from starlette.responses import Response

from runtime.clock import utc_now
from runtime.web.route import Call, Handler, Route, answer_json
from schemas.api.workflows.explanation import ObjectExplanation
from schemas.errors import NotFound
from schemas.ids import RunId, ScheduleId
from wms.gateway.awx.dialect import EVERYBODY
from wms.gateway.awx.requests import AwxParts, Requests, list_path_ids, read_id
from wms.insight.runs.start_explanation import explain_schedule
from wms.trees.jobs.explain import explain_run
from wms.trees.jobs.job_statuses import find_job_status, find_job_type


class ExplanationRoutes:
    """Handlers of /workflow_jobs/{id}/explain and /schedules/{id}/explain."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._parts = parts
        self._requests = requests

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            _route("/workflow_jobs/{id}/explain", self.explain_tree, "a tree"),
            _route("/schedules/{id}/explain", self.explain_schedule, "a schedule"),
        ]

    async def explain_tree(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        run = await self._parts.trees.runs.find_job(principal, RunId(read_id(call)))
        if find_job_type(run) != "workflow_job":
            raise NotFound("Not found.")
        standing = find_job_status(run)
        return answer_json(await self._parts.explainer.explain_run(run, standing=standing, why=explain_run(run)))

    async def explain_schedule(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        schedule = await self._parts.schedules.get_schedule(principal, ScheduleId(read_id(call)))
        return answer_json(explain_schedule(schedule, utc_now()))


def _route(path: str, handler: Handler, words: str) -> Route:
    return Route(
        "GET",
        path,
        handler,
        f"Get why {words} stands as it does: causes and remedies, the most serious first",
        roles=EVERYBODY,
        is_heavy=True,
        answer=ObjectExplanation,
        errors=(404,),
        parameters=list_path_ids(path),
    )
