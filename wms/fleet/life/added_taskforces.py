"""Add taskforces to a workflow: those that users ask for, and those that take the place of drained ones. (core)"""

from datetime import datetime
from typing import Any

from schemas.errors import Broken, Rejected, Unprocessable
from schemas.fleet.documents import TaskforceDocument
from schemas.rules.limits import MAX_CONFIGURATION_BYTES, MAX_TASKFORCES
from wms.fleet.id_source import IdSource
from wms.fleet.life import start_order
from wms.fleet.life.aggregate import Draft, FleetDecision
from wms.fleet.life.stimuli import AddWorkers
from wms.fleet.life.tms_requests import POLLING_GETS_NO_SECRETS
from wms.fleet.life.workflow_requests import begin_log, configuration_bytes, make_queue_request

ADDED = "Created when adding more workers for this task directive."

#: How much higher the priority of an added taskforce is than its workflow's. Adding more does not raise it further.
ADDED_PRIORITY = 100


def add_workers(draft: Draft, stimulus: AddWorkers) -> FleetDecision:
    """Add the taskforce that a user or a TMS wants, in front of the workflow's other taskforces.

    Raises:
        Unprocessable: the workflow is deactivated.
        Rejected: the workflow has no room for another taskforce, or the location's TMS cannot get the task's passwords.
    """
    workflow = draft.workflow
    if workflow.deactivated is not None:
        raise Unprocessable(f"cannot add a taskforce to a deactivated workflow ({workflow.workflow_id})")
    if stimulus.task.sealed_texts and not stimulus.location.port.takes_orders:
        raise Rejected(
            f"no workers can be added there: {POLLING_GETS_NO_SECRETS}", hint="choose a location whose TMS takes events"
        )
    siblings = [t for t in draft.taskforces.values() if t.task_id == stimulus.task.task_id]
    if not siblings:
        raise Broken(f"task {stimulus.task.task_id} has no taskforce to copy")
    template = min(siblings, key=lambda t: t.cursor)
    if full := describe_fullness(draft, template):
        raise Rejected(full, hint="request another workflow")
    added = _copy_taskforce(
        draft,
        template,
        mint=stimulus.mint,
        by=stimulus.by,
        context=ADDED,
        priority=workflow.priority + ADDED_PRIORITY,
        since=draft.now,
        schedd=stimulus.location.schedd,
        n_workers=stimulus.n_workers,
        default_n_workers=stimulus.location.n_workers,
        traceparent=stimulus.traceparent,
    )
    schedds = {t.schedd for t in draft.before.taskforces.values()}
    if added.schedd not in schedds:
        # MQS grants pilots' tokens only to TMSs at the schedds that WMS names to it.
        draft.add_event(make_queue_request(workflow, schedds | {added.schedd}))
    return draft.settle_decision(answer=added)


def replace_taskforce(
    draft: Draft, stopped: TaskforceDocument, *, mint: IdSource, by: str, context: str
) -> TaskforceDocument:
    """Add a taskforce with the workers of `stopped` at the same schedd, and return it. It has the turn of `stopped`."""
    return _copy_taskforce(
        draft,
        stopped,
        mint=mint,
        by=by,
        context=context,
        priority=stopped.priority,
        since=datetime.fromtimestamp(stopped.timestamp, tz=draft.now.tzinfo),
        schedd=stopped.schedd,
        n_workers=stopped.n_workers,
        default_n_workers=stopped.default_n_workers,
        traceparent=stopped.traceparent,
    )


def describe_fullness(draft: Draft, template: TaskforceDocument) -> str:
    """Return why the workflow has no room for another taskforce like `template`. Return "" if it has."""
    if len(draft.taskforces) >= MAX_TASKFORCES:
        return f"a workflow can have at most {MAX_TASKFORCES} taskforces"
    n_bytes = sum(map(configuration_bytes, (template, *draft.taskforces.values())))
    if n_bytes > MAX_CONFIGURATION_BYTES:
        return (
            f"a workflow can have at most {MAX_CONFIGURATION_BYTES} bytes of 'worker_config' and 'pilot_config', once "
            f"for each taskforce, and would have {n_bytes}"
        )
    return ""


def _copy_taskforce(
    draft: Draft,
    template: TaskforceDocument,
    *,
    mint: IdSource,
    by: str,
    context: str,
    priority: int,
    since: datetime,
    **fields: Any,
) -> TaskforceDocument:
    """Add a taskforce like `template` with other `fields`. Its turn to start counts from `since`."""
    timestamp = draft.now.timestamp()
    added = TaskforceDocument(
        **fields,
        taskforce_uuid=mint.make_taskforce_uuid(template.task_id),
        task_id=template.task_id,
        workflow_id=template.workflow_id,
        timestamp=timestamp,
        owner=template.owner,
        projects=template.projects,
        cursor=mint.make_cursor(),
        priority=priority,
        launch_rank=start_order.start_rank(priority=priority, n_failures=0, timestamp=since.timestamp()),
        task_index=template.task_index,
        worker_config=template.worker_config,
        pilot_config=template.pilot_config,
        phase_change_log=begin_log(timestamp, by=by, context=context),
    )
    draft.taskforces[added.taskforce_uuid] = added
    return added
