"""The ids of EWMS's objects. A taskforce's id contains its task's id, and a task's id contains its workflow's id.

    WF-6b00e09f-926a610b                        workflow
    TK-6b00e09f-926a610b-485d2fc0               task directive
    TF-6b00e09f-926a610b-485d2fc0-57c5a8e4      taskforce
    a72475165e05b4f83a948                       message queue (`a` and 20 hex digits)

Random bits are an argument (`entropy`); a shell draws them.
"""

import re
from typing import NewType

WorkflowId = NewType("WorkflowId", str)
TaskId = NewType("TaskId", str)
TaskforceUuid = NewType("TaskforceUuid", str)
Mqid = NewType("Mqid", str)
Alias = NewType("Alias", str)
EventId = NewType("EventId", str)
#: A run has an integer, since two of the documents that EWMS is made from print runs as `job #212`, and a uuid.
RunId = NewType("RunId", int)
RunUuid = NewType("RunUuid", str)
NodeKey = NewType("NodeKey", str)
#: Templates of all kinds share one space of integers, and the nodes of templates another.
TemplateId = NewType("TemplateId", int)
TemplateNodeId = NewType("TemplateNodeId", int)
ScheduleId = NewType("ScheduleId", int)
DefinitionHash = NewType("DefinitionHash", str)
CatalogueTaskId = NewType("CatalogueTaskId", int)
OrganizationId = NewType("OrganizationId", str)
UserId = NewType("UserId", int)
TeamId = NewType("TeamId", int)
LabelId = NewType("LabelId", int)
InventoryId = NewType("InventoryId", int)
HostId = NewType("HostId", int)
TaskListId = NewType("TaskListId", int)

#: The organization of all customer ids that no other organization has, and of runs and workflows that name none.
DEFAULT_ORGANIZATION = OrganizationId("default")

WORKFLOW_ID = re.compile(r"WF-[0-9a-f]{1,16}-[0-9a-f]{8}")
TASK_ID = re.compile(r"TK-[0-9a-f]{1,16}-[0-9a-f]{8}-[0-9a-f]{8}")
TASKFORCE_UUID = re.compile(r"TF-[0-9a-f]{1,16}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}")
MQID = re.compile(r"a[0-9a-f]{20}")


def workflow_id(epoch_s: int, entropy: int) -> WorkflowId:
    """Return the id of a workflow that is made at `epoch_s` (seconds since 1970).

    32 bits of `entropy` distinguish it from other workflows of the same second.
    """
    return WorkflowId(f"WF-{epoch_s:x}-{entropy & 0xFFFFFFFF:08x}")


def task_id(workflow: WorkflowId, entropy: int) -> TaskId:
    """Return the id of a task directive of `workflow`."""
    return TaskId(f"TK-{workflow.removeprefix('WF-')}-{entropy & 0xFFFFFFFF:08x}")


def taskforce_uuid(task: TaskId, entropy: int) -> TaskforceUuid:
    """Return the id of a taskforce of `task`."""
    return TaskforceUuid(f"TF-{task.removeprefix('TK-')}-{entropy & 0xFFFFFFFF:08x}")


#: The last byte in the ids of queues from which only users take events. The broker's policies match this byte.
RESULTS_MARK = 0xC0


def mqid(entropy: int, *, for_results: bool = False) -> Mqid:
    """Return a queue id with 80 bits of `entropy`. It contains no character that a scope on the broker would expand.

    `for_results` means that only users, and no task, take events from the queue.
    """
    entropy &= (1 << 80) - 1
    if for_results:
        entropy = entropy & ~0xFF | RESULTS_MARK
    elif entropy & 0xFF == RESULTS_MARK:
        entropy ^= 1
    return Mqid(f"a{entropy:020x}")


def workflow_of(child: TaskId | TaskforceUuid) -> WorkflowId:
    """Return the id of the workflow to which the task or taskforce `child` belongs. The id `child` contains it."""
    _, epoch, entropy, *_ = child.split("-")
    return WorkflowId(f"WF-{epoch}-{entropy}")
