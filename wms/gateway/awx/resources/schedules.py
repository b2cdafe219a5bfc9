"""The routes of schedules."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import available_timezones

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.automation.schedules import ScheduleDocument
from schemas.automation.trees import TemplateKind
from schemas.ids import ScheduleId, TemplateId
from wms.gateway.awx.kinds.schedules import SCHEDULE_FIELDS
from wms.gateway.awx.requests import AwxParts, Requests, answer_page, read_id, route_list, route_object
from wms.gateway.awx.shapes.object_paths import make_url
from wms.gateway.awx.shapes.schedule_shapes import show_preview, show_schedule
from wms.gateway.awx.shapes.template_shapes import PATHS
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import may_on_tree
from wms.trees.jobs.job_statuses import JOB_PATHS, find_job_type


class ScheduleRoutes:
    """Handlers of schedules."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._parts = parts
        self._requests = requests
        self._schedules = parts.schedules

    def routes(self) -> list[Route]:
        """Return the routes."""
        what, one, fields = "/schedules", "/schedules/{id}", list(SCHEDULE_FIELDS)
        return [
            route_object("POST", f"{what}/preview", self.preview, "See the next occurrences of a rule"),
            route_object("GET", f"{what}/zoneinfo", self.list_zones, "List the time zones that a rule can name"),
            route_list(what, self.list_schedules, "List schedules", fields),
            route_object("POST", what, self.create_schedule, "Create a schedule", codes=(201,)),
            route_object("GET", one, self.get_schedule, "Get a schedule"),
            route_object("PUT", one, self.change_schedule, "Change a schedule"),
            route_object("PATCH", one, self.change_schedule, "Change fields of a schedule"),
            route_object("DELETE", one, self.delete_schedule, "Delete a schedule", codes=(204,)),
            *self._list_template_routes(fields),
        ]

    def _list_template_routes(self, fields: Sequence[str]) -> Iterable[Route]:
        for kind in (TemplateKind.WORKFLOW, TemplateKind.JOB):
            path, words = f"/{PATHS[kind]}/{{id}}/schedules", kind.value.replace("_", " ")
            yield route_list(path, self.list_of_template, f"List the schedules of a {words}", fields)
            yield route_object("POST", path, self.create_for_template, f"Schedule a {words}", codes=(201,))

    async def _show_schedules(
        self, principal: Principal, schedules: Sequence[ScheduleDocument]
    ) -> list[dict[str, Any]]:
        templates = await self._parts.trees.templates.load_templates(each.template for each in schedules)
        last_runs = {each.last.run for each in schedules if each.last is not None and each.last.run is not None}
        jobs = await self._parts.jobs.load_jobs(last_runs)
        paths = {run_id: make_url(JOB_PATHS[find_job_type(run)], run_id) for run_id, run in jobs.items()}
        shown = []
        for each in schedules:
            may_change = may_on_tree(principal, Action.LAUNCH_TREE, each.organization, [each.template])
            last_run = None if each.last is None else each.last.run
            shown.append(
                show_schedule(
                    each,
                    templates.get(each.template),
                    last_job="" if last_run is None else paths.get(last_run, ""),
                    capabilities={"edit": may_change, "delete": may_change},
                )
            )
        return shown

    async def _answer_schedule(self, principal: Principal, schedule: ScheduleDocument, *, code: int = 200) -> Response:
        [shown] = await self._show_schedules(principal, [schedule])
        answer = answer_json(shown, code=code)
        if code == 201:
            answer.headers["Location"] = shown["url"]
        return answer

    async def _answer_list(self, call: Call, principal: Principal, query: Mapping[str, Any]) -> Response:
        pairs, wish = await self._requests.read_list(call, SCHEDULE_FIELDS)
        found, count = await self._schedules.list_schedules(
            principal, {"$and": [query, wish.query]}, sort=wish.sort, skip=wish.skip, limit=wish.page_size
        )
        return answer_page(call, pairs, wish, await self._show_schedules(principal, found), count)

    async def list_schedules(self, call: Call) -> Response:
        return await self._answer_list(call, await self._requests.find_principal(call), {})

    async def list_of_template(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        template = await self._parts.trees.templates.get_template(principal, TemplateId(read_id(call)))
        return await self._answer_list(call, principal, {"template": template.id})

    async def create_schedule(self, call: Call) -> Response:
        return await self._create(call, None)

    async def create_for_template(self, call: Call) -> Response:
        return await self._create(call, TemplateId(read_id(call)))

    async def _create(self, call: Call, template_id: TemplateId | None) -> Response:
        principal = await self._requests.find_principal(call)
        owner = self._parts.organizations.keep_identity(call.caller)
        made = await self._schedules.create_schedule(
            principal, owner, call.body.root, template_id=template_id, once=call.once
        )
        return await self._answer_schedule(principal, made, code=201)

    async def get_schedule(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        found = await self._schedules.get_schedule(principal, ScheduleId(read_id(call)))
        return await self._answer_schedule(principal, found)

    async def change_schedule(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        owner = self._parts.organizations.keep_identity(call.caller)
        schedule_id = ScheduleId(read_id(call))
        changed = await self._schedules.change_schedule(principal, owner, schedule_id, call.body.root)
        return await self._answer_schedule(principal, changed)

    async def delete_schedule(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        await self._schedules.delete_schedule(principal, ScheduleId(read_id(call)))
        return answer_nothing()

    async def preview(self, call: Call) -> Response:
        recurrence, occurrences = await self._schedules.preview(call.body.root)
        return answer_json(show_preview(recurrence.zone, occurrences))

    async def list_zones(self, _: Call) -> Response:
        return answer_json({"zones": sorted(available_timezones()), "links": {}})
