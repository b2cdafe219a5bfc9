"""Flows: nodes with success and failure edges, functions that a worker calls, operations that the engine polls.

from ewms.flows import NodeDefine, Operation, PollingNode, SyncFuncNode, WorkflowDefine, register_workflow

def start_creation(node, context):
    node.operation_id = cloud.create(context["name"], request=node.idempotency_key)

def look_at_creation(node, context):
    job = cloud.find(node.operation_id)
    return Operation.finished(job.address) if job.is_done else Operation.processing()

register_workflow("create_cluster", WorkflowDefine({
    "start":   NodeDefine("create", "done", "undo", PollingNode, start_creation, poll=look_at_creation),
    "done":    NodeDefine("announce", "", "undo", SyncFuncNode, announce),
    "undo":    NodeDefine("undo", executor=remove_cluster),
}))

"""

from ewms.flows.defining import (
    CompositeExecutor,
    Executor,
    FlowFault,
    FlowNodeKind,
    NodeDefine,
    PollingNode,
    SyncFuncNode,
    WorkflowDefine,
)
from ewms.flows.node_calls import NodePollingTimeOut, OperationFailed
from ewms.flows.node_scope import FlowContext, Operation, OperationStatus, WorkflowNode
from ewms.flows.registry import register_workflow
from ewms.flows.service import WorkflowService

__all__ = [
    "CompositeExecutor",
    "Executor",
    "FlowContext",
    "FlowFault",
    "FlowNodeKind",
    "NodeDefine",
    "NodePollingTimeOut",
    "Operation",
    "OperationFailed",
    "OperationStatus",
    "PollingNode",
    "SyncFuncNode",
    "WorkflowDefine",
    "WorkflowNode",
    "WorkflowService",
    "register_workflow",
]
