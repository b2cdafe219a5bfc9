"""The routes of workflow job templates, job templates and approval templates."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from starlette.responses import PlainTextResponse, Response

from runtime.clock import stored_now
from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.automation.trees import TemplateDocument, TemplateKind
from schemas.errors import Rejected
from schemas.ids import TemplateId
from schemas.rules.secret_names import MASK
from wms.gateway.awx.kinds.templates import TEMPLATE_FIELDS
from wms.gateway.awx.requests import AwxParts, Requests, answer_page, read_id, route_list, route_object
from wms.gateway.awx.shapes.job_shapes import show_job
from wms.gateway.awx.shapes.template_shapes import JOB_TYPES, PATHS, show_own_variables, show_template
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import may_on_tree
from wms.trees.inputs.launch_values import ASK_FIELDS, PROMPT_FIELDS, list_unasked
from wms.trees.inputs.surveys import find_survey_faults, mask_survey
from wms.trees.jobs.drawing import Drawing, draw_dot, draw_mermaid, show_drawing
from wms.trees.jobs.tree_runs import TreeLaunch
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.template_fields import read_variables


async def show_templates(
    parts: AwxParts, requests: Requests, principal: Principal, templates: Sequence[TemplateDocument]
) -> list[dict[str, Any]]:
    """Return templates of any kind as the dialect shows them, with their latest jobs and the next ones of schedules."""
    ids = [template.id for template in templates]
    latest, following = await parts.jobs.find_latest(ids), await parts.schedules.find_next_runs(ids)
    labels = await parts.trees.labels.number_labels(templates)
    return [
        show_template(
            template,
            labels=labels,
            organization=await requests.number_organization(template.organization),
            last=latest.get(template.id),
            next_run_at=following.get(template.id),
            capabilities=find_capabilities(principal, template),
        )
        for template in templates
    ]


class TemplateRoutes:
    """Handlers of the templates of one kind."""

    def __init__(self, parts: AwxParts, requests: Requests, kind: TemplateKind) -> None:
        self._parts = parts
        self._requests = requests
        self._kind = kind

    def routes(self) -> list[Route]:
        """Return the routes."""
        what, words = f"/{PATHS[self._kind]}", self._kind.value.replace("_", " ")
        one = f"{what}/{{id}}"
        shown = [
            route_list(what, self.list_templates, f"List {words}s", TEMPLATE_FIELDS),
            route_object("GET", one, self.get_template, f"Get a {words}"),
        ]
        shown += [
            route_object("PUT", one, self.change_template, f"Change a {words}"),
            route_object("PATCH", one, self.change_template, f"Change fields of a {words}"),
            route_object("DELETE", one, self.delete_template, f"Delete a {words}", codes=(204,)),
        ]
        if self._kind is TemplateKind.APPROVAL:
            return shown
        return [
            *shown,
            route_object("POST", what, self.create_template, f"Create a {words}", codes=(201,)),
            route_object("GET", f"{one}/launch", self.describe_launch, f"See what a launch of a {words} needs"),
            route_object("POST", f"{one}/launch", self.launch, f"Launch a {words}", codes=(201,)),
            route_object("GET", f"{one}/survey_spec", self.get_survey, f"Get the survey of a {words}"),
            route_object("POST", f"{one}/survey_spec", self.set_survey, f"Set the survey of a {words}"),
            route_object("DELETE", f"{one}/survey_spec", self.delete_survey, f"Remove the survey of a {words}"),
            route_object("GET", f"{one}/copy", self.describe_copy, f"See whether one may copy a {words}"),
            route_object("POST", f"{one}/copy", self.copy_template, f"Copy a {words}", codes=(201,)),
        ]

    async def _answer_template(self, principal: Principal, template: TemplateDocument, *, code: int = 200) -> Response:
        [shown] = await show_templates(self._parts, self._requests, principal, [template])
        answer = answer_json(shown, code=code)
        if code == 201:
            answer.headers["Location"] = shown["url"]
        return answer

    async def _load_template(self, call: Call) -> tuple[Principal, TemplateDocument]:
        principal = await self._requests.find_principal(call)
        found = await self._parts.trees.templates.get_template(principal, TemplateId(read_id(call)), self._kind)
        return principal, found

    async def list_templates(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        pairs, wish = await self._requests.read_list(call, TEMPLATE_FIELDS)
        found, count = await self._parts.trees.templates.list_templates(
            principal,
            {"$and": [wish.query, {"kind": self._kind.value}]},
            sort=wish.sort,
            skip=wish.skip,
            limit=wish.page_size,
        )
        return answer_page(
            call, pairs, wish, await show_templates(self._parts, self._requests, principal, found), count
        )

    async def get_template(self, call: Call) -> Response:
        return await self._answer_template(*await self._load_template(call))

    async def create_template(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        raw = await self._requests.spell_organization(call.body.root)
        made = await self._parts.trees.templates.create_template(principal, self._kind, raw, once=call.once)
        return await self._answer_template(principal, made, code=201)

    async def change_template(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        raw = await self._requests.spell_organization(call.body.root)
        changed = await self._parts.trees.templates.change_template(
            principal, TemplateId(read_id(call)), self._kind, raw
        )
        return await self._answer_template(principal, changed)

    async def delete_template(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        await self._parts.trees.templates.delete_template(principal, TemplateId(read_id(call)), self._kind)
        return answer_nothing()

    async def describe_launch(self, call: Call) -> Response:
        _, template = await self._load_template(call)
        survey = template.survey if template.survey_enabled else None
        needed = [] if survey is None else find_survey_faults(survey, {})
        wrapped = await self._parts.trees.templates.load_wrapped(template)
        return answer_json(
            {
                "can_start_without_user_input": not needed and not template.asks,
                "variables_needed_to_start": needed,
                "survey_enabled": template.survey_enabled,
                "node_templates_missing": [node.id for node in template.nodes if node.template not in wrapped],
                "node_prompts_rejected": [
                    node.id
                    for node in template.nodes
                    if node.template in wrapped and list_unasked(node.answers, wrapped[node.template])
                ],
                **{name: prompt in template.asks for name, prompt in ASK_FIELDS.items()},
                "defaults": {
                    "extra_vars": show_own_variables(template),
                    **{k.value: v for k, v in template.prompts.items()},
                },
                f"{self._kind.value}_data": {
                    "id": template.id,
                    "name": template.name,
                    "description": template.description,
                },
            }
        )

    async def launch(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        template = await self._parts.trees.templates.get_template(principal, TemplateId(read_id(call)), self._kind)
        body: dict[str, Any] = call.body.root
        try:
            _, extra_vars = await asyncio.to_thread(read_variables, body.get("extra_vars"))
        except Rejected as fault:
            raise FieldsRefused({"extra_vars": [fault.reason]}) from fault
        prompts = {name: value for name, value in body.items() if name in PROMPT_FIELDS}
        launch = TreeLaunch(extra_vars=extra_vars, prompts=prompts)
        run, values = await self._parts.trees.runs.launch(principal, template.id, launch, once=call.once)
        kind = JOB_TYPES[self._kind]
        # Values of unknown fields may be secrets, as those of AWX's `credential_passwords`.
        unknown = dict.fromkeys(body.keys() - PROMPT_FIELDS.keys() - {"extra_vars"}, MASK)
        ignored = {**values.ignored, **unknown}
        shown = {kind: run.id, "ignored_fields": ignored, **show_job(run, now=stored_now(), is_there=True)}
        answer = answer_json(shown, code=201)
        answer.headers["Location"] = shown["url"]
        return answer

    async def get_survey(self, call: Call) -> Response:
        _, template = await self._load_template(call)
        return answer_json(mask_survey(template.survey))

    async def set_survey(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        template_id = TemplateId(read_id(call))
        changed = await self._parts.trees.templates.set_survey(
            principal, template_id, self._kind, call.body.root, once=call.once
        )
        return answer_json(mask_survey(changed.survey))

    async def delete_survey(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        await self._parts.trees.templates.set_survey(principal, TemplateId(read_id(call)), self._kind, None)
        return answer_json({})

    async def describe_copy(self, call: Call) -> Response:
        principal, template = await self._load_template(call)
        may = may_on_tree(principal, Action.CHANGE_TREE, template.organization)
        unable: dict[str, list[Any]] = {
            f"{what}_unable_to_copy": [] for what in ("templates", "credentials", "inventories")
        }
        return answer_json({"can_copy": may, "can_copy_without_user_input": may, **unable})

    async def copy_template(self, call: Call) -> Response:
        principal, template = await self._load_template(call)
        name = call.body.root.get("name") or ""
        if not isinstance(name, str) or len(name) > 512:
            raise FieldsRefused({"name": ["must be a text of at most 512 characters"]})
        copied = await self._parts.trees.templates.copy_template(principal, template.id, name, once=call.once)
        return await self._answer_template(principal, copied, code=201)


def find_capabilities(principal: Principal, template: TemplateDocument) -> dict[str, bool]:
    """Return what the principal may do to a template."""
    may_change = may_on_tree(principal, Action.CHANGE_TREE, template.organization, [template.id])
    may_launch = may_on_tree(principal, Action.LAUNCH_TREE, template.organization, [template.id])
    return {
        "edit": may_change,
        "delete": may_change,
        "copy": may_on_tree(principal, Action.CHANGE_TREE, template.organization),
        "start": may_launch,
        "schedule": may_launch,
    }


def answer_drawing(form: str, drawing: Drawing) -> Response:
    """Return a drawing in one of the forms json, mermaid and dot."""
    if form == "json":
        return answer_json(show_drawing(drawing))
    return PlainTextResponse(draw_mermaid(drawing) if form == "mermaid" else draw_dot(drawing))


def route_drawings(path: str, draw: Callable[[str, Call], Awaitable[Response]], what: str) -> list[Route]:
    """Return the routes of a drawing in all its forms."""
    return [
        route_object("GET", path, partial(draw, "json"), f"Get the graph of {what}"),
        *(
            route_object(
                "GET", f"{path}/{form}", partial(draw, form), f"Draw {what} as {form}", media_type="text/plain"
            )
            for form in ("mermaid", "dot")
        ),
    ]
