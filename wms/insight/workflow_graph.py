"""Make the graph of a workflow from what is stored and counted: as data, as Mermaid and as DOT. (core)

A task is a box. A queue is an edge, with the number of its events. A public queue has a stub of its own at each end
where no task is: one stub shared by all queues would ruin every layout.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from schemas.api.queues.profiles import QueueDepth
from schemas.api.workflows.graph import GraphEdge, GraphTask, WorkflowGraph
from schemas.api.workflows.worker_numbers import WorkerNumbers
from schemas.explain.task_names import name_task
from schemas.explain.worker_counts import WorkerCounts, sum_statuses
from schemas.fleet.documents import QueuePlan, TaskDirectiveDocument, TaskforceDocument
from schemas.fleet.phases import WANTED
from wms.graph_text import TextEdge, TextNode, write_dot, write_mermaid
from wms.insight.workflow_reading import WorkflowReading

#: With more edges than this, a queue that joins many tasks becomes a node.
MOST_EDGES = 2_000
_STALLED, _WORKING, _WAITING, _STUB = "#f5b7b1", "#b7e4c7", "#fdebd0", "#e5e7e9"


def make_graph(seen: WorkflowReading) -> WorkflowGraph:
    """Return the graph of a workflow."""
    causes = seen.stall.causes if seen.stall is not None else []
    problems = {cause.task_id: cause.text for cause in reversed(causes)}
    taskforces: dict[str, list[TaskforceDocument]] = {}
    for one in seen.taskforces:
        taskforces.setdefault(one.task_id, []).append(one)
    edges, joints = _list_edges(seen.workflow.queues, seen.tasks)
    return WorkflowGraph(
        workflow_id=seen.workflow.workflow_id,
        tasks=[_describe_task(task, taskforces.get(task.task_id, []), problems) for task in seen.tasks],
        edges=edges,
        joints=joints,
        queues=seen.depths.queues if seen.depths is not None else [],
        n_dead=seen.depths.n_dead if seen.depths is not None else seen.workflow.n_dead or 0,
        unseen=seen.unseen,
    )


def count_workers(taskforces: Sequence[TaskforceDocument]) -> WorkerNumbers:
    """Return how many workers these taskforces have, and how many those should have that have not ended."""
    live = (one for one in taskforces if one.phase in WANTED and one.ended_at is None)
    counts = WorkerCounts.from_statuses(sum_statuses(one.compound_statuses for one in taskforces))
    return WorkerNumbers(
        n_wanted=sum(one.n_workers or one.default_n_workers or 1 for one in live),
        n_idle=counts.idle,
        n_running=counts.running,
        n_taking=counts.taking,
        n_held=counts.held,
        n_gone=counts.gone,
    )


def _describe_task(
    task: TaskDirectiveDocument, taskforces: Sequence[TaskforceDocument], problems: Mapping[str, str]
) -> GraphTask:
    return GraphTask(
        task_id=task.task_id,
        name=name_task(task),
        task_image=task.task_image,
        input_queues=list(task.input_queues),
        output_queues=list(task.output_queues),
        phases=dict(Counter(str(one.phase) for one in taskforces)),
        workers=count_workers(taskforces),
        problem=problems.get(task.task_id, problems.get("", "")),
    )


def _list_edges(
    queues: Sequence[QueuePlan], tasks: Sequence[TaskDirectiveDocument]
) -> tuple[list[GraphEdge], list[str]]:
    """Return the edges of all queues, and the mqids of the queues that are nodes.

    An end without a task is None, and a public queue has such an end at most once.
    """
    sources: dict[str, list[str | None]] = {}
    targets: dict[str, list[str | None]] = {}
    for task in tasks:
        for mqid in set(task.output_queues):
            sources.setdefault(mqid, []).append(task.task_id)
        for mqid in set(task.input_queues):
            targets.setdefault(mqid, []).append(task.task_id)
    ends = [(queue, sources.get(queue.mqid) or [None], targets.get(queue.mqid) or [None]) for queue in queues]
    are_many = sum(len(begins) * len(stops) for _, begins, stops in ends) > MOST_EDGES
    edges: list[GraphEdge] = []
    joints: list[str] = []
    for queue, begins, stops in ends:
        pairs: Iterable[tuple[str | None, str | None]] = product(begins, stops)
        if are_many and len(begins) * len(stops) > len(begins) + len(stops):
            joints.append(queue.mqid)
            pairs = [*((source, queue.mqid) for source in begins), *((queue.mqid, target) for target in stops)]
        edges += [
            GraphEdge(mqid=queue.mqid, alias=queue.alias, is_public=queue.is_public, source=source, target=target)
            for source, target in pairs
        ]
    return edges, joints


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
    names = {edge.mqid: edge.alias for edge in graph.edges}
    for mqid in graph.joints:
        places[mqid] = len(nodes)
        nodes.append(TextNode((names[mqid],), _STUB, is_round=True))
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
