"""Describe what a user did to a workflow, for the audit log. (core)"""

from typing import Any

from schemas.attempts.dead_letters import LettersOrder
from schemas.fleet.documents import TaskforceDocument, WorkflowDocument
from wms.audit.audit_facts import AuditFacts
from wms.fleet.life.stimuli import AddWorkers, CloseInputs, Deactivate, ExpectResults
from wms.fleet.life.workflow_requests import NewWorkflow

#: The stimuli that only users give.
UserAct = Deactivate | AddWorkers | CloseInputs | ExpectResults


def describe_request(new: NewWorkflow) -> AuditFacts:
    """Return the row of a new workflow."""
    places = sorted({taskforce.schedd for taskforce in new.taskforces})
    changes = {"tasks": len(new.tasks), "schedds": ", ".join(places), "priority": new.workflow.priority}
    return describe_workflow(new.workflow, "create", **changes)


def describe_act(before: WorkflowDocument, act: UserAct, answer: Any) -> AuditFacts:
    """Return the row of what a user did to the workflow `before`. `answer` is that of the decision."""
    match act:
        case Deactivate(label=label):
            return describe_workflow(before, "update", deactivated=[before.deactivated, label.value])
        case AddWorkers(task=task, location=location):
            added: TaskforceDocument = answer
            told = {"task": task.task_id, "schedd": location.schedd, "n_workers": added.n_workers}
            return describe_workflow(before, "update", taskforce=added.taskforce_uuid, **told)
        case CloseInputs():
            return describe_workflow(before, "update", inputs=["open", "closed"])
        case ExpectResults(n=n, counts_dead=counts_dead):
            return describe_workflow(before, "update", expected_results=n, count_failures=counts_dead)


def describe_letters_order(workflow: WorkflowDocument, order: LettersOrder) -> AuditFacts:
    """Return the row of an order to replay or to discard dead letters."""
    chosen = order.which.model_dump(exclude_none=True)
    which = len(order.letters) if order.letters is not None else chosen or "all"
    return describe_workflow(workflow, "update", **{f"{order.action}_dead_letters": which})


def describe_workflow(workflow: WorkflowDocument, operation: str, **changes: Any) -> AuditFacts:
    """Return a row about `workflow`, which its owner and the members of its projects see."""
    return AuditFacts(
        operation=operation,
        kind="workflow",
        object_id=workflow.workflow_id,
        name=workflow.workflow_id,
        owner=workflow.owner,
        projects=tuple(workflow.projects),
        changes=changes,
    )
