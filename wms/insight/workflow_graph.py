"""Make the graph of a workflow from what is stored and counted: as data, as Mermaid and as DOT. (core)

A task is a box. A queue is an edge, with the number of its events. A public queue has a stub of its own at each end
where no task is: one stub shared by all queues would ruin every layout.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from schemas.api.queues import QueueDepth
from schemas.api.workflow_graph import GraphEdge, GraphTask, WorkerNumbers, WorkflowGraph
from schemas.documents import QueuePlan, TaskDirectiveDocument, TaskforceDocument
from schemas.explain.task_names import name_task
from schemas.explain.worker_counts import WorkerCounts, sum_statuses
from schemas.phases import WANTED
from wms.graph_text import TextEdge, TextNode, write_dot, write_mermaid
from wms.insight.workflow_reading import WorkflowReading

_STALLED, _WORKING, _WAITING, _STUB = "#f5b7b1", "#b7e4c7", "#fdebd0", "#e5e7e9"


def make_graph(seen: WorkflowReading) -> WorkflowGraph:
    """Return the graph of a workflow."""
    causes = seen.stall.causes if seen.stall is not None else []
    problems = {cause.task_id: cause.text for cause in reversed(causes)}
    return WorkflowGraph(
        workflow_id=seen.workflow.workflow_id,
        tasks=[
            _describe_task(task, [one for one in seen.taskforces if one.task_id == task.task_id], problems)
            for task in seen.tasks
        ],
        edges=[edge for queue in seen.workflow.queues for edge in _list_edges(queue, seen.tasks)],
        queues=seen.depths.queues if seen.depths is not None else [],
        n_dead=seen.depths.n_dead if seen.depths is not None else seen.workflow.n_dead or 0,
        unseen=seen.unseen,
    )


def count_wanted(taskforces: Iterable[TaskforceDocument]) -> int:
    """Return how many workers the taskforces should have that have not ended."""
    live = (one for one in taskforces if one.phase in WANTED and one.ended_at is None)
    return sum(one.n_workers or one.default_n_workers or 1 for one in live)


def _describe_task(
    task: TaskDirectiveDocument, taskforces: Sequence[TaskforceDocument], problems: Mapping[str, str]
) -> GraphTask:
    counts = WorkerCounts.from_statuses(sum_statuses(one.compound_statuses for one in taskforces))
    return GraphTask(
        task_id=task.task_id,
        name=name_task(task),
        task_image=task.task_image,
        input_queues=list(task.input_queues),
        output_queues=list(task.output_queues),
        phases=dict(Counter(str(one.phase) for one in taskforces)),
        workers=WorkerNumbers(
            n_wanted=count_wanted(taskforces),
            n_idle=counts.idle,
            n_running=counts.running,
            n_taking=counts.taking,
            n_held=counts.held,
            n_gone=counts.gone,
        ),
        problem=problems.get(task.task_id, problems.get("", "")),
    )


def _list_edges(queue: QueuePlan, tasks: Sequence[TaskDirectiveDocument]) -> list[GraphEdge]:
    """Return the edges of a queue. An end without a task is None, and a public queue has such an end at most once."""
    sources: list[str | None] = [task.task_id for task in tasks if queue.mqid in task.output_queues]
    targets: list[str | None] = [task.task_id for task in tasks if queue.mqid in task.input_queues]
    return [
        GraphEdge(mqid=queue.mqid, alias=queue.alias, is_public=queue.is_public, source=source, target=target)
        for source in sources or [None]
        for target in targets or [None]
    ]


def draw_mermaid(graph: WorkflowGraph) -> str:
    """Return a graph as the text of a Mermaid flowchart."""
    return write_mermaid(*_list_text_parts(graph), direction="LR")


def draw_dot(graph: WorkflowGraph) -> str:
    """Return a graph as the text of a DOT graph."""
    return write_dot("workflow", *_list_text_parts(graph), direction="LR")


def _list_text_parts(graph: WorkflowGraph) -> tuple[list[TextNode], list[TextEdge]]:
    nodes = [TextNode((task.name, _describe_workers(task.workers)), _find_color(task)) for task in graph.tasks]
    places: dict[str | None, int] = {task.task_id: place for place, task in enumerate(graph.tasks)}
    depths = {queue.mqid: queue for queue in graph.queues}
    edges: list[TextEdge] = []
    for edge in graph.edges:
        label = f"{edge.alias}{_describe_depth(depths.get(edge.mqid))}"
        ends = []
        for end in (edge.source, edge.target):
            if end is None:
                nodes.append(TextNode((edge.alias,), _STUB, is_round=True))
            ends.append(len(nodes) - 1 if end is None else places[end])
        edges.append(TextEdge(ends[0], ends[1], label))
    return nodes, edges


def _describe_workers(workers: WorkerNumbers) -> str:
    return f"{workers.n_taking} of {workers.n_wanted} workers take events" if workers.n_wanted else "no workers"


def _describe_depth(depth: QueueDepth | None) -> str:
    if depth is None:
        return ""
    counts = ((depth.n_ready, "waiting"), (depth.n_unacknowledged, "in work"), (depth.n_delayed, "put off"))
    told = ", ".join(f"{n} {word}" for n, word in counts if n)
    return f": {told}" if told else ""


def _find_color(task: GraphTask) -> str:
    if task.problem:
        return _STALLED
    return _WORKING if task.workers.n_taking else _WAITING
