"""The routes of jobs: trees that were launched, the jobs of their nodes, approvals, and the nodes themselves."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.responses import PlainTextResponse, Response

from runtime.clock import stored_now
from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.automation.trees import TemplateKind, name_edge_list
from schemas.engine.graph import EdgeKind
from schemas.engine.run_documents import RunDocument
from schemas.errors import NotFound, Rejected
from schemas.ids import RunId, ScheduleId, TemplateId
from wms.gateway.awx.kinds.jobs import APPROVAL_FIELDS, EVENT_FIELDS, JOB_FIELDS
from wms.gateway.awx.lists import ListField
from wms.gateway.awx.requests import (
    AwxParts,
    Requests,
    answer_page,
    answer_rows,
    read_id,
    route_list,
    route_object,
)
from wms.gateway.awx.resources.templates import answer_drawing, route_drawings
from wms.gateway.awx.resources.tree_search import is_about_trees_alone, narrow_trees, slice_nodes
from wms.gateway.awx.shapes.job_shapes import show_job, show_job_events, show_job_node, write_log
from wms.gateway.awx.shapes.job_words import NODE_FIELDS
from wms.gateway.awx.shapes.template_shapes import PATHS
from wms.tenancy.rights import Principal
from wms.trees.graphs.tree_definitions import find_template_id, name_definition
from wms.trees.jobs.drawing import draw_run
from wms.trees.jobs.explain import split_number
from wms.trees.jobs.job_reader import JOBS, QUERIES, TREES, UNIFIED
from wms.trees.jobs.job_statuses import JOB_PATHS, find_job_type, is_approval

_NODES = "/workflow_job_nodes"
_FORMATS: Mapping[str, Mapping[str, Any]] = {"format": {"type": "string"}, "start_line": {"type": "integer"}}
#: Of how many trees the list of all nodes counts the nodes.
MAX_COUNTED_TREES = 2000
#: Through how many trees it looks, if it is filtered by what the nodes show.
_MAX_TREES = 200


class JobRoutes:
    """Handlers of jobs of all kinds."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._parts = parts
        self._requests = requests
        self._runs = parts.trees.runs

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            *(route for kind in JOB_PATHS for route in self._list_routes(kind)),
            route_list("/unified_jobs", partial(self.list_jobs, UNIFIED, JOB_FIELDS), "List all jobs", JOB_FIELDS),
            *self._list_node_routes(),
        ]

    def _list_routes(self, kind: str) -> Iterable[Route]:
        what, words = f"/{JOB_PATHS[kind]}", kind.replace("_", " ")
        one = f"{what}/{{id}}"
        fields = APPROVAL_FIELDS if kind == "workflow_approval" else JOB_FIELDS
        yield route_list(what, partial(self.list_jobs, QUERIES[kind], fields), f"List {words}s", fields)
        yield route_object("GET", one, partial(self.get_job, kind), f"Get a {words}")
        yield route_object("DELETE", one, partial(self.delete_job, kind), f"Delete a {words}", codes=(204,))
        if kind == "workflow_approval":
            for verb, is_approved in (("approve", True), ("deny", False)):
                yield route_object(
                    "POST", f"{one}/{verb}", partial(self.decide, is_approved), f"{verb.title()} it", codes=(204,)
                )
            return
        yield route_object("GET", f"{one}/cancel", partial(self.see_cancel, kind), f"See whether a {words} can end")
        yield route_object(
            "POST", f"{one}/cancel", partial(self.cancel, kind), f"Cancel a {words}", codes=(202,), errors=(405,)
        )
        if kind == "job":
            yield route_list(f"{one}/job_events", self.list_events, "List what happened to a job", EVENT_FIELDS)
            yield route_object(
                "GET",
                f"{one}/stdout",
                self.get_text,
                "Read what happened to a job",
                media_type="text/plain",
                query=_FORMATS,
            )
        yield route_object("POST", f"{one}/relaunch", partial(self.relaunch, kind), f"Repeat a {words}", codes=(201,))

    def _list_node_routes(self) -> Iterable[Route]:
        one, of_tree = f"{_NODES}/{{id}}", "/workflow_jobs/{id}"
        yield route_list(f"{of_tree}/workflow_nodes", self.list_own_nodes, "List the nodes of a tree", NODE_FIELDS)
        yield from route_drawings(f"{of_tree}/graph", self.draw, "a tree")
        yield route_list(_NODES, self.list_nodes, "List the nodes of all trees", NODE_FIELDS)
        yield route_object("GET", one, self.get_node, "Get a node of a tree")
        for kind in EdgeKind:
            name = name_edge_list(kind)
            yield route_list(
                f"{one}/{name}",
                partial(self.list_children, name),
                f"List its {name.replace('_', ' ')}",
                NODE_FIELDS,
            )
        path = f"/{PATHS[TemplateKind.WORKFLOW]}/{{id}}/workflow_jobs"
        yield route_list(path, partial(self.list_of_template, TREES), "List the jobs of a template", JOB_FIELDS)
        path = "/schedules/{id}/jobs"
        yield route_list(path, self.list_of_schedule, "List the jobs of a schedule", list(JOB_FIELDS))
        path = f"/{PATHS[TemplateKind.JOB]}/{{id}}/jobs"
        yield route_list(path, partial(self.list_of_template, JOBS), "List the jobs of a job template", JOB_FIELDS)

    async def _load_job(self, call: Call, kind: str) -> tuple[Principal, RunDocument]:
        principal = await self._requests.find_principal(call)
        run = await self._runs.find_job(principal, RunId(read_id(call)))
        if find_job_type(run) != kind:
            raise NotFound("Not found.")
        return principal, run

    async def show_jobs(self, runs: Sequence[RunDocument]) -> list[dict[str, Any]]:
        """Return jobs as the dialect shows them."""
        ids = {run.id: find_template_id(run.definition) for run in runs}
        there, now = await self._parts.trees.templates.find_existing(ids.values()), stored_now()
        halts = await self._parts.jobs.explain_halts(runs)
        # The log of an approval tells who has decided.
        whole = await self._parts.jobs.restore_logs(run for run in runs if is_approval(run))
        logs = {run.id: run for run in whole}
        made_by = {run.id: run.occurrence.schedule for run in runs if run.occurrence is not None}
        schedules = await self._parts.schedules.load_schedules(made_by.values())
        return [
            show_job(
                logs.get(run.id, run),
                now=now,
                is_there=ids[run.id] in there,
                halts=halts.get(run.id, ""),
                schedule=schedules.get(made_by[run.id]) if run.id in made_by else None,
            )
            for run in runs
        ]

    async def list_jobs(self, query: Mapping[str, Any], fields: Mapping[str, ListField], call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        pairs, wish = await self._requests.read_list(call, fields)
        found, count = await self._parts.jobs.list_jobs(
            principal, {"$and": [query, wish.query]}, sort=wish.sort, skip=wish.skip, limit=wish.page_size
        )
        return answer_page(call, pairs, wish, await self.show_jobs(found), count)

    async def list_of_template(self, query: Mapping[str, Any], call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        template = await self._parts.trees.templates.get_template(principal, TemplateId(read_id(call)))
        return await self.list_jobs({**query, "definition": name_definition(template.id)}, JOB_FIELDS, call)

    async def list_of_schedule(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        schedule = await self._parts.schedules.get_schedule(principal, ScheduleId(read_id(call)))
        return await self.list_jobs({**UNIFIED, "occurrence.schedule": schedule.id}, JOB_FIELDS, call)

    async def get_job(self, kind: str, call: Call) -> Response:
        _, run = await self._load_job(call, kind)
        [shown] = await self.show_jobs([run])
        return answer_json(shown)

    async def delete_job(self, kind: str, call: Call) -> Response:
        principal, run = await self._load_job(call, kind)
        await self._runs.delete_job(principal, run.id)
        return answer_nothing()

    async def see_cancel(self, kind: str, call: Call) -> Response:
        principal, run = await self._load_job(call, kind)
        return answer_json({"can_cancel": self._runs.can_cancel(principal, run)})

    async def cancel(self, kind: str, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        run = await self._runs.find_cancelable(principal, RunId(read_id(call)))
        if find_job_type(run) != kind:
            raise NotFound("Not found.")
        await self._runs.cancel(principal, run.id)
        return answer_json({}, code=202)

    async def relaunch(self, kind: str, call: Call) -> Response:
        principal, run = await self._load_job(call, kind)
        wanted = call.body.root.get("nodes", "all")
        if wanted not in ("all", "failed"):
            raise Rejected(f"nodes: {wanted!r} is none of all, failed")
        again = await self._runs.relaunch(principal, run.id, from_failed=wanted == "failed", once=call.once)
        answer = answer_json(show_job(again, now=stored_now(), is_there=True), code=201)
        answer.headers["Location"] = f"{call.request.url.path.partition('/relaunch')[0].rpartition('/')[0]}/{again.id}/"
        return answer

    async def _load_with_log(self, call: Call) -> RunDocument:
        _, run = await self._load_job(call, "job")
        [whole] = await self._parts.jobs.restore_logs([run])
        return whole

    async def list_events(self, call: Call) -> Response:
        run = await self._load_with_log(call)
        return answer_rows(call, show_job_events(run), EVENT_FIELDS, searched=("stdout",))

    async def get_text(self, call: Call) -> Response:
        """Answer with the same lines as a text; with `format=json`, as an object that has the text in base64."""
        lines = write_log(await self._load_with_log(call))
        if call.read_query("format") != "json":
            return PlainTextResponse("".join(f"{line}\n" for line in lines))
        start = min(call.read_number("start_line", 0), len(lines))
        text = "".join(f"{line}\n" for line in lines[start:])
        shown = {"start": start, "end": len(lines), "absolute_end": len(lines)}
        return answer_json({"range": shown, "content": base64.b64encode(text.encode()).decode()})

    async def decide(self, is_approved: bool, call: Call) -> Response:
        principal, run = await self._load_job(call, "workflow_approval")
        comment = call.body.root.get("comment", "")
        if not isinstance(comment, str) or len(comment) > 5000:
            raise Rejected("comment: must be a text of at most 5000 characters")
        await self._runs.decide_approval(principal, run.id, is_approved=is_approved, comment=comment, once=call.once)
        return answer_nothing()

    async def _show_nodes(self, run: RunDocument, places: Iterable[int] | None = None) -> list[dict[str, Any]]:
        jobs, now = await self._runs.list_node_jobs(run), stored_now()
        ids = [find_template_id(node.definition) for node in run.graph.nodes]
        wrapped = await self._parts.trees.templates.load_templates(ids)
        return [
            show_job_node(run, place, jobs.get(place), now=now, wrapped=wrapped.get(ids[place] or TemplateId(0)))
            for place in (range(len(run.nodes)) if places is None else places)
        ]

    async def list_own_nodes(self, call: Call) -> Response:
        _, run = await self._load_job(call, "workflow_job")
        return await self._requests.answer_nodes(call, await self._show_nodes(run))

    async def list_nodes(self, call: Call) -> Response:
        """List the nodes of all trees that the caller sees."""
        principal = await self._requests.find_principal(call)
        pairs, wish = await self._requests.read_list(call, NODE_FIELDS, searched=("identifier",))
        is_of_trees = is_about_trees_alone(wish)
        most = MAX_COUNTED_TREES if is_of_trees else _MAX_TREES
        sizes = await self._parts.jobs.count_nodes(principal, narrow_trees(wish.query), limit=most + 1)
        if len(sizes) > most:
            raise Rejected(
                f"the nodes of more than {most} trees would have to be looked at, which is the most",
                hint="name a tree by workflow_job=ID, a template by unified_job_template=ID, or an identifier",
            )
        if is_of_trees:
            pages = slice_nodes(sizes, wish.skip, wish.page_size)
            runs = await self._parts.jobs.load_jobs(pages)
            # Somebody may delete a tree between the count and this.
            there = [run_id for run_id in pages if run_id in runs]
            shown = [each for run_id in there for each in await self._show_nodes(runs[run_id], pages[run_id])]
            return answer_page(call, pairs, wish, shown, sum(sizes.values()))
        runs = await self._parts.jobs.load_jobs(sizes)
        rows = [row for run_id in sizes if run_id in runs for row in await self._show_nodes(runs[run_id])]
        return await self._requests.answer_nodes(call, rows)

    async def get_node(self, call: Call) -> Response:
        run, place = await load_job_node(self._parts, self._requests, call)
        [shown] = await self._show_nodes(run, [place])
        return answer_json(shown)

    async def list_children(self, name: str, call: Call) -> Response:
        run, place = await load_job_node(self._parts, self._requests, call)
        shown = await self._show_nodes(run)
        return await self._requests.answer_nodes(call, [each for each in shown if each["id"] in shown[place][name]])

    async def draw(self, form: str, call: Call) -> Response:
        _, run = await self._load_job(call, "workflow_job")
        return answer_drawing(form, draw_run(run))


async def load_job_node(parts: AwxParts, requests: Requests, call: Call) -> tuple[RunDocument, int]:
    """Return the tree with the node that the path of a call names, and the node's place in it.

    Raises:
        NotFound: there is no such node.
        Forbidden: the caller may not see the tree.
    """
    principal = await requests.find_principal(call)
    run_id, place = split_number(read_id(call))
    run = await parts.trees.runs.find_job(principal, RunId(run_id))
    if run.graph.is_leaf or place >= len(run.nodes):
        raise NotFound("Not found.")
    return run, place
