"""The graph of a workflow: tasks are nodes, queues are edges with stubs where no task is."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from schemas.api.queues.profiles import QueueDepth, QueueDepths
from schemas.api.workflows.graph import WorkflowGraph
from schemas.api.workflows.health import Stall, StallCause
from schemas.fleet.phases import Phase
from tests.unit.wms.fleets import made, task_request
from wms.insight.workflow_graph import draw_dot, draw_mermaid, make_graph
from wms.insight.workflow_reading import WorkflowReading


def make_world() -> WorkflowReading:
    """Return in -> reco -> mid -> fit -> out, where both tasks also publish onto `log`."""
    tasks = [
        task_request(input_queue_aliases=["in"], output_queue_aliases=["mid", "log"], task_image="/images/reco"),
        task_request(input_queue_aliases=["mid"], output_queue_aliases=["out", "log"], task_image="/images/fit"),
    ]
    new = made(*tasks, public_queue_aliases=["in", "out"])
    rows = [
        QueueDepth(
            mqid=one.mqid, alias=one.alias, is_public=one.is_public, n_ready=n, n_unacknowledged=0, n_consumers=0
        )
        for n, one in enumerate(new.workflow.queues)
    ]
    depths = QueueDepths(workflow_id=new.workflow.workflow_id, queues=rows, n_dead=3)
    return WorkflowReading(workflow=new.workflow, tasks=new.tasks, taskforces=new.taskforces, depths=depths)


def list_edges(graph: WorkflowGraph) -> set[tuple[str, str | None, str | None]]:
    names = {task.task_id: task.name for task in graph.tasks} | {None: None}
    return {(edge.alias, names[edge.source], names[edge.target]) for edge in graph.edges}  # type: ignore[index]


def test_queues_are_edges_and_a_public_queue_ends_in_a_stub() -> None:
    world = make_world()
    graph = make_graph(world)
    assert list_edges(graph) == {
        ("in", None, "reco"),
        ("mid", "reco", "fit"),
        ("out", "fit", None),
        ("log", "reco", None),
        ("log", "fit", None),
    }
    assert [queue.alias for queue in graph.queues] == [queue.alias for queue in world.workflow.queues]
    assert graph.n_dead == 3


def test_a_task_has_the_workers_of_all_its_taskforces_and_the_reason_why_it_waits() -> None:
    world = make_world()
    first_task = world.tasks[0].task_id
    statuses: Any = {"RUNNING": {"Tasking": 2, "null": 1}, "HELD: Out of disk": {"null": 1}, "IDLE": {"null": 4}}
    taskforces = [
        one.model_copy(update={"phase": Phase.CONDOR_SUBMIT, "compound_statuses": statuses, "n_workers": 8})
        if one.task_id == first_task
        else one
        for one in world.taskforces
    ]
    cause = StallCause(cause="held", text="no worker comes", command="", task_id=first_task, n_events=2)
    stall = Stall(since=datetime(2026, 11, 30, tzinfo=UTC), causes=[cause])
    graph = make_graph(replace(world, taskforces=taskforces, depths=None, stall=stall, unseen="the broker is away"))
    first, second = graph.tasks
    assert first.workers.model_dump() == {
        "n_wanted": 8,
        "n_idle": 4,
        "n_running": 3,
        "n_taking": 2,
        "n_held": 1,
        "n_gone": 0,
    }
    assert first.phases == {"condor-submit": 1}
    assert (first.problem, second.problem) == ("no worker comes", "")
    assert (graph.queues, graph.unseen) == ([], "the broker is away")


def test_it_is_drawn_as_mermaid_and_dot_and_no_name_breaks_out_of_its_label() -> None:
    world = make_world()
    tasks = [world.tasks[0].model_copy(update={"task_image": '/images/a"]<b>\n'}), world.tasks[1]]
    graph = make_graph(replace(world, tasks=tasks))
    mermaid, dot = draw_mermaid(graph), draw_dot(graph)
    assert "n0[\"a']&lt;b&gt; <br/>" in mermaid
    assert 'n0 -->|"mid: 1 waiting"| n1' in mermaid
    assert '(["in"])' in mermaid
    assert 'n0 -> n1 [label="mid: 1 waiting", color="#000000"];' in dot
    assert 'label="out", fillcolor="#e5e7e9", shape=ellipse' in dot
    assert dot.count("shape=ellipse") == 4, "one stub for each end without a task"
    assert dot.rstrip().endswith("}")


def test_a_queue_between_very_many_tasks_is_a_node_and_edges_stay_few() -> None:
    n = 60
    ends = [("in", "mid")] * n + [("mid", "out")] * n
    tasks = [
        task_request(input_queue_aliases=[begin], output_queue_aliases=[end], task_image=f"/images/a{place}")
        for place, (begin, end) in enumerate(ends)
    ]
    new = made(*tasks, public_queue_aliases=["in", "out"])
    graph = make_graph(WorkflowReading(workflow=new.workflow, tasks=new.tasks, taskforces=new.taskforces))
    mid = next(queue.mqid for queue in new.workflow.queues if queue.alias == "mid")
    assert graph.joints == [mid]
    assert len(graph.edges) == 4 * n
    assert {mid in (edge.source, edge.target) for edge in graph.edges if edge.mqid == mid} == {True}
    assert draw_mermaid(graph).count('(["mid"])') == 1
