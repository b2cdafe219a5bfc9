"""The routes of the activity stream: who changed what and when, on the whole, of a template, and of a job."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from schemas.automation.trees import TemplateKind
from schemas.errors import NotFound
from schemas.ids import RunId, TemplateId
from wms.audit.audit_facts import AuditDocument
from wms.gateway.awx.kinds.others import ACTIVITY_FIELDS
from wms.gateway.awx.requests import AwxParts, Requests, answer_page, read_id, route_list, route_object
from wms.gateway.awx.shapes.object_paths import make_url
from wms.gateway.awx.shapes.template_shapes import PATHS, show_time
from wms.tenancy.audit_rights import make_audit_filter
from wms.tenancy.documents import UserDocument
from wms.tenancy.rights import Principal
from wms.trees.jobs.job_statuses import JOB_PATHS, find_job_type

_TEMPLATES = (TemplateKind.WORKFLOW, TemplateKind.JOB)
_JOBS = ("workflow_job", "job")
#: In this dialect each object has a number. `GET /v1/audit` has the rows of all objects.
_NUMBERED = {"object_id": {"$type": "number"}}
_KIND_PATHS: Mapping[str, str] = {
    **{kind.value: path for kind, path in PATHS.items()},
    **JOB_PATHS,
    "workflow_job_template_node": "workflow_job_template_nodes",
    "schedule": "schedules",
    "notification_template": "notification_templates",
    "team": "teams",
    "label": "labels",
    "organization": "organizations",
}


class ActivityRoutes:
    """Handlers of /activity_stream, and of the streams of templates and jobs."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._parts = parts
        self._requests = requests

    def routes(self) -> list[Route]:
        """Return the routes."""
        fields = list(ACTIVITY_FIELDS)
        shown = [
            route_list("/activity_stream", self.list_all, "List who changed what", fields),
            route_object("GET", "/activity_stream/{id}", self.get_row, "Get one change"),
        ]
        for kind in _TEMPLATES:
            path, words = f"/{PATHS[kind]}/{{id}}/activity_stream", kind.value.replace("_", " ")
            shown.append(route_list(path, partial(self.list_of_template, kind), f"List changes of a {words}", fields))
        for job in _JOBS:
            path, words = f"/{JOB_PATHS[job]}/{{id}}/activity_stream", job.replace("_", " ")
            shown.append(route_list(path, partial(self.list_of_job, job), f"List what people did to a {words}", fields))
        return shown

    async def _answer_rows(self, call: Call, principal: Principal, query: Mapping[str, Any]) -> Response:
        pairs, wish = await self._requests.read_list(call, ACTIVITY_FIELDS)
        wanted = {"$and": [dict(query), wish.query, _NUMBERED, make_audit_filter(principal)]}
        audit = self._parts.trees.audit
        rows = await audit.list_rows(wanted, sort=wish.sort, skip=wish.skip, limit=wish.page_size)
        count = await audit.count_rows(wanted)
        users = await self._parts.users.list_users(row.who for row in rows)
        actors = {user.id: user for user in users}
        return answer_page(call, pairs, wish, [show_activity(row, actors.get(row.who)) for row in rows], count)

    async def list_all(self, call: Call) -> Response:
        return await self._answer_rows(call, await self._requests.find_principal(call), {})

    async def get_row(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        wanted = {"$and": [{"_id": read_id(call)}, _NUMBERED, make_audit_filter(principal)]}
        rows = await self._parts.trees.audit.list_rows(wanted, limit=1)
        if not rows:
            raise NotFound("Not found.")
        return answer_json(show_activity(rows[0], await self._parts.users.find_user(rows[0].who)))

    async def list_of_template(self, kind: TemplateKind, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        template = await self._parts.trees.templates.get_template(principal, TemplateId(read_id(call)), kind)
        return await self._answer_rows(call, principal, {"templates": template.id})

    async def list_of_job(self, kind: str, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        run = await self._parts.trees.runs.find_job(principal, RunId(read_id(call)))
        if find_job_type(run) != kind:
            raise NotFound("Not found.")
        return await self._answer_rows(call, principal, {"kind": kind, "object_id": run.id})


def show_activity(row: AuditDocument, actor: UserDocument | None) -> dict[str, Any]:
    """Return a change. `actor` is who made it, if we know the user. Time itself has no actor."""
    path = _KIND_PATHS.get(row.kind, "")
    who = {} if actor is None else {"id": actor.number}
    return {
        "id": row.id,
        "type": "activity_stream",
        "url": make_url("activity_stream", row.id),
        "related": {
            **({} if actor is None else {"actor": make_url("users", actor.number)}),
            **({row.kind: [make_url(path, int(row.object_id))]} if path else {}),
        },
        "summary_fields": {
            **({"actor": {**who, "username": row.who}} if row.who else {}),
            row.kind: [{"id": row.object_id, "name": row.name}],
        },
        "created": show_time(row.at),
        "modified": show_time(row.at),
        "timestamp": show_time(row.at),
        "operation": row.operation,
        "changes": row.changes,
        "object1": row.kind,
        "object2": next(iter(row.changes), "") if row.operation.endswith("associate") else "",
        "object_association": "",
        "object_type": row.kind,
        "action_node": "ewms",
    }
