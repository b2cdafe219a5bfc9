"""Turn a flow into the graph of nodes that a worker registers. (core)

a node's key      its edge, so that two nodes may have one name
success edge      success          both to one node: always
failure edge      failure          `pause`: the node halts
profile           dag: after a lost worker the failure edge counts
"""

from ewms.flows.defining import CompositeExecutor, Executor, FlowNodeKind, NodeDefine, WorkflowDefine
from schemas.engine.flows import PAUSE
from schemas.engine.graph import BranchingProfile, Definition, DefinitionKind, Edge, EdgeKind, Graph, Node
from schemas.ids import NodeKey


def export_flow(name: str, flow: WorkflowDefine, pool: str = "default") -> Definition:
    """Return the definition of `flow`, as a worker of `pool` registers it under `name`."""
    edges = flow.list_edges()
    numbers = {edge: number for number, edge in enumerate(edges)}
    nodes = tuple(_export_node(edge, flow.nodes[edge], numbers) for edge in edges)
    # A flow stays failed, even if the node at the end of its failure edge succeeds.
    graph = Graph(profile=BranchingProfile.DAG, nodes=nodes, any_failure_fails=True)
    return Definition(name=name, kind=DefinitionKind.FLOW, graph=graph, pool=pool, description=flow.description)


def _export_node(edge: str, node: NodeDefine, numbers: dict[str, int]) -> Node:
    assert node.executor is not None  # `WorkflowDefine` has checked it
    success, failure = numbers.get(node.success_edge), numbers.get(node.failure_edge)
    if success is not None and success == failure:
        out = [Edge(kind=EdgeKind.ALWAYS, to=success)]
    else:
        pairs = ((EdgeKind.SUCCESS, success), (EdgeKind.FAILURE, failure))
        out = [Edge(kind=kind, to=to) for kind, to in pairs if to is not None]
    function = name_executor(node.executor)
    if node.kind is FlowNodeKind.POLLING_NODE and node.poll is not None:
        function += f" | {name_executor(node.poll)}"
    return Node(
        key=NodeKey(edge),
        name=node.name,
        function=function,
        edges=tuple(out),
        halts=node.failure_edge == PAUSE,
        params=dict(node.parameters),
    )


def name_executor(executor: Executor | CompositeExecutor) -> str:
    """Return the name of a node's executor, for logs and for the definition's hash."""
    if isinstance(executor, CompositeExecutor):
        return "+".join(map(name_executor, executor.executors))
    return f"{getattr(executor, '__module__', '')}.{getattr(executor, '__qualname__', type(executor).__qualname__)}"
