"""The graph of a workflow: its tasks, its queues with their depths, and the edges between tasks."""

from typing import Annotated

from pydantic import Field

from schemas.api.queues.profiles import QueueDepth
from schemas.api.workflows.worker_numbers import WorkerNumbers
from schemas.fleet.objects import Object


class GraphTask(Object):
    """A node of the graph: one task, and its workers at all places together."""

    task_id: str
    name: Annotated[str, Field(description="The last part of the image's name, or the arguments if it has none.")]
    task_image: str
    input_queues: list[str]
    output_queues: list[str]
    phases: Annotated[dict[str, int], Field(description="Phase -> number of the task's taskforces in it.")]
    workers: WorkerNumbers
    problem: Annotated[str, Field(description="Why the task makes no progress; empty if it is not stalled.")] = ""


class GraphEdge(Object):
    """A way of events through a queue: from the task that publishes to the task that takes.

    Users publish onto a public queue if `source` is null, and fetch from it if `target` is null. A queue with several
    tasks at an end has several edges. In a very large graph, `source` or `target` may be a queue of `joints`.
    """

    mqid: str
    alias: str
    is_public: bool
    source: str | None
    target: str | None


class WorkflowGraph(Object):
    """The answer of GET /workflows/{id}/graph. Nodes are tasks, and edges are queues."""

    workflow_id: str
    tasks: list[GraphTask]
    edges: list[GraphEdge]
    joints: Annotated[
        list[str],
        Field(
            description="The mqids of queues that are nodes, because edges between all their tasks would be too many.",
            default_factory=list,
        ),
    ]
    #: One row for each queue, in the order of the request. Empty if MQS does not have the queues, or if the request has
    #: `counts=false`: without the counts the answer comes sooner.
    queues: list[QueueDepth]
    n_dead: int
    unseen: Annotated[str, Field(description="Why the queues cannot be counted now; empty if they are.")] = ""
