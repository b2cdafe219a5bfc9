"""Make the graph of a job: a chain of nodes, each of which runs tasks on the hosts of a batch. (core)

    linear    b1-t1 ─► b1-t2 ─► b2-t1 ─► b2-t2        one node for each task of each batch
    free      b1 ─► b2                                 one node for each batch: the hosts go from task to task

Every edge is taken after any outcome. A node that begins chooses its hosts; if there are none, it is skipped. The run
ends as its worst node.
"""

from dataclasses import dataclass
from typing import Any

from schemas.automation.jobs import JOB_DEFINITION, MAX_JOB_NODES, JobStrategy
from schemas.engine.graph import BranchingProfile, Definition, DefinitionKind, Edge, EdgeKind, Graph, Node, NodeKind
from schemas.errors import Rejected
from schemas.ids import DefinitionHash, NodeKey


@dataclass(frozen=True, slots=True)
class NodeTasks:
    """What a node does: the tasks from `first` to `last` of the job, on the hosts of a batch. All count from 0."""

    batch: int
    first: int
    last: int

    def has_task(self, number: int) -> bool:
        """Return whether the node runs the task with this number."""
        return self.first <= number <= self.last


def check_node_count(n_tasks: int, n_batches: int, strategy: JobStrategy) -> None:
    """Check that the graph of a job is not too large.

    Raises:
        Rejected: `serial` makes too many batches.
    """
    n_nodes = n_batches if strategy is JobStrategy.FREE else n_batches * n_tasks
    if n_nodes > MAX_JOB_NODES:
        per_batch = "" if strategy is JobStrategy.FREE else f" of {n_tasks} task(s)"
        raise Rejected(
            f"'serial': makes {n_batches} batches{per_batch}: {n_nodes} steps, and a job may have {MAX_JOB_NODES}",
            hint='make the batches larger: [1, "10%"]',
        )


def make_job_definition(
    n_tasks: int, n_batches: int, strategy: JobStrategy, title: str
) -> tuple[DefinitionHash, Definition]:
    """Return the definition of a job, with its hash."""
    graph = Graph(
        profile=BranchingProfile.DAG, nodes=_chain_nodes(n_tasks, n_batches, strategy), ends_as_worst_node=True
    )
    definition = Definition(name=JOB_DEFINITION, kind=DefinitionKind.CATALOGUE, graph=graph, pool="", title=title)
    return definition.hash, definition


def _chain_nodes(n_tasks: int, n_batches: int, strategy: JobStrategy) -> tuple[Node, ...]:
    if strategy is JobStrategy.FREE:
        parts = [(f"b{batch + 1}", NodeTasks(batch, 0, n_tasks - 1)) for batch in range(n_batches)]
    else:
        parts = [
            (f"b{batch + 1}-t{task + 1}", NodeTasks(batch, task, task))
            for batch in range(n_batches)
            for task in range(n_tasks)
        ]
    return tuple(
        Node(
            key=NodeKey(key),
            name=key,
            kind=NodeKind.HOSTS,
            edges=(Edge(kind=EdgeKind.ALWAYS, to=number + 1),) if number + 1 < len(parts) else (),
            params={"batch": tasks.batch, "first": tasks.first, "last": tasks.last},
        )
        for number, (key, tasks) in enumerate(parts)
    )


def read_node_tasks(node: Node) -> NodeTasks:
    """Return what a node of a job does."""
    found: dict[str, Any] = node.params
    return NodeTasks(batch=int(found["batch"]), first=int(found["first"]), last=int(found["last"]))
