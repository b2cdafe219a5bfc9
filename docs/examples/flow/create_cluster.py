"""A flow that creates a cluster, with a node that is polled and a failure handler.

    start ──► allocate hosts ──► create cluster (polled) ──► announce
                    │                     │                     └─ fails ──► pause: a person starts the flow again
                    └────── fails ────────┴──► release hosts

Run it: README.md.
"""

import fake_cloud

from ewms.flows import (
    CompositeExecutor,
    FlowContext,
    NodeDefine,
    Operation,
    PollingNode,
    SyncFuncNode,
    WorkflowDefine,
    WorkflowNode,
    register_workflow,
)


def check_request(node: WorkflowNode, context: FlowContext) -> None:
    """Refuse a cluster without a name, or of no hosts."""
    if not context.get_data("cluster") or context.get_data("n_hosts", 0) < 1:
        raise ValueError("set `cluster` and `n_hosts` in the context before the start")


def allocate_hosts(node: WorkflowNode, context: FlowContext) -> None:
    """Give the cluster its hosts."""
    hosts = fake_cloud.allocate_hosts(context["cluster"], context["n_hosts"])
    context.set_data("hosts", hosts)
    node.append_result(f"{len(hosts)} hosts")


def start_creation(node: WorkflowNode, context: FlowContext) -> None:
    """Begin to create the cluster. The engine keeps the operation's id, so this is not called again for a crash."""
    node.operation_id = fake_cloud.start_creation(context["hosts"], request=node.idempotency_key)


def look_at_creation(node: WorkflowNode, context: FlowContext) -> Operation:
    """Say how the creation stands."""
    operation = fake_cloud.find_operation(node.operation_id)
    if operation["error"]:
        return Operation.error(str(operation["error"]))
    return Operation.finished(f"{context['cluster']} runs") if operation["is_done"] else Operation.processing()


def announce_cluster(node: WorkflowNode, context: FlowContext) -> None:
    """Tell the world."""
    fake_cloud.announce_cluster(context["cluster"])


def release_hosts(node: WorkflowNode, context: FlowContext) -> None:
    """Undo what was done before a node failed."""
    fake_cloud.release_hosts(context.get_data("cluster", ""))


register_workflow(
    "create_cluster",
    WorkflowDefine(
        {
            "start": NodeDefine(
                "allocate hosts", "create", "undo", SyncFuncNode, CompositeExecutor(check_request, allocate_hosts)
            ),
            "create": NodeDefine(
                "create cluster", "announce", "undo", PollingNode, start_creation, poll=look_at_creation
            ),
            "announce": NodeDefine("announce", "", "pause", SyncFuncNode, announce_cluster),
            "undo": NodeDefine("release hosts", executor=release_hosts),
        },
        description="Create a cluster of hosts",
    ),
)
