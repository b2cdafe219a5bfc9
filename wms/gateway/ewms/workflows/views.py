"""The routes that show one workflow as a whole: its graph, its progress, why it stands as it does, and its report."""

from collections.abc import Mapping

from starlette.responses import Response

from runtime.web.answers.problems import JSON
from runtime.web.route import Call, Route, answer_json
from schemas.api.workflows.explanation import Explanation, WorkflowStanding
from schemas.api.workflows.graph import WorkflowGraph
from schemas.api.workflows.report import WorkflowReport
from schemas.errors import Rejected
from schemas.explain.workflow_explanation import explain_workflow
from wms.gateway.roles import READERS, find_access
from wms.insight.workflow_facts import collect_facts, describe_standing
from wms.insight.workflow_graph import draw_dot, draw_mermaid, make_graph
from wms.insight.workflow_reader import WorkflowReader
from wms.insight.workflow_report import compute_report

#: The form of a drawing -> its media type. Source: the registry of media types at IANA.
MEDIA_TYPES: Mapping[str, str] = {
    "json": JSON,
    "mermaid": "text/vnd.mermaid",
    "dot": "text/vnd.graphviz",
}


class WorkflowViewRoutes:
    """Handlers of /workflows/{workflow_id}/graph, /progress, /explain and /report."""

    def __init__(self, reader: WorkflowReader) -> None:
        self._reader = reader

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_one = "/workflows/{workflow_id}"
        return [
            Route(
                "GET",
                f"{of_one}/graph",
                self.get_graph,
                "Get the graph of a workflow, with depths and workers: as JSON, Mermaid or DOT",
                roles=READERS,
                is_heavy=True,
                light_with=("counts", "false"),
                answer=WorkflowGraph,
                text_forms=tuple(form for form in MEDIA_TYPES.values() if form != JSON),
                errors=(404,),
                query={"format": False, "counts": False},
                parameters={
                    "format": {"type": "string", "enum": list(MEDIA_TYPES)},
                    "counts": {"type": "string", "enum": ["true", "false"]},
                },
            ),
            Route(
                "GET",
                f"{of_one}/progress",
                self.get_progress,
                "Get how far a workflow is: what `ewms workflow show` prints",
                roles=READERS,
                is_heavy=True,
                answer=WorkflowStanding,
                errors=(404,),
            ),
            Route(
                "GET",
                f"{of_one}/explain",
                self.get_explanation,
                "Get why a workflow stands as it does: causes and remedies, the most serious first",
                roles=READERS,
                is_heavy=True,
                answer=Explanation,
                errors=(404,),
            ),
            Route(
                "GET",
                f"{of_one}/report",
                self.get_report,
                "Get what the workers of a workflow did and cost: each figure with its unit and how it was computed",
                roles=READERS,
                is_heavy=True,
                answer=WorkflowReport,
                errors=(404,),
            ),
        ]

    async def get_graph(self, call: Call) -> Response:
        form = choose_form(call.read_query("format"), call.request.headers.get("accept", ""))
        counts = call.read_flag("counts", default=True)
        seen = await self._reader.read_workflow(call.read_path("workflow_id"), find_access(call.caller), counts=counts)
        graph = make_graph(seen)
        if form == "json":
            answer = answer_json(graph)
        else:
            drawing = draw_mermaid(graph) if form == "mermaid" else draw_dot(graph)
            answer = Response(drawing, media_type=MEDIA_TYPES[form])
        # A cache must not give the drawing of one caller to a caller that accepts another form.
        answer.headers.add_vary_header("Accept")
        return answer

    async def get_progress(self, call: Call) -> Response:
        seen = await self._reader.read_workflow(call.read_path("workflow_id"), find_access(call.caller))
        return answer_json(describe_standing(seen))

    async def get_explanation(self, call: Call) -> Response:
        seen = await self._reader.read_workflow(call.read_path("workflow_id"), find_access(call.caller))
        return answer_json(explain_workflow(collect_facts(seen)))

    async def get_report(self, call: Call) -> Response:
        seen = await self._reader.read_workflow(call.read_path("workflow_id"), find_access(call.caller))
        return answer_json(compute_report(seen))


def choose_form(wished: str | None, accept: str) -> str:
    """Return the form of a drawing: that of `?format=`, else the first one in the header `Accept`, else `json`.

    Raises:
        Rejected: there is no such form.
    """
    if wished is not None:
        if wished not in MEDIA_TYPES:
            raise Rejected(f"'format': must be {' or '.join(MEDIA_TYPES)}")
        return wished
    accepted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    forms = {media_type: form for form, media_type in MEDIA_TYPES.items()}
    return next((forms[each] for each in accepted if each in forms), "json")
