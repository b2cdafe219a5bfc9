"""Make requests to a TMS, and record each, so that WMS repeats a request that is not answered. (core)"""

from schemas.errors import Broken
from schemas.events import TaskforceStart, TaskforceStop, TaskOrder
from schemas.fleet.documents import TaskDirectiveDocument, TaskforceDocument
from schemas.fleet.program import program_fields
from schemas.ids import TaskId
from wms.fleet.life.aggregate import Aggregate, Draft


def ask_to_start(draft: Draft, taskforce: TaskforceDocument) -> None:
    """Add to `draft` the order that its TMS must submit `taskforce`, and count how often WMS has asked.

    For a TMS that polls, add no order, and clear that count. The phase stays as it is.
    """
    if not draft.find_port(taskforce).takes_orders:
        # This TMS polls for its work now, so forget how often we reminded it by events.
        draft.change_taskforce(taskforce, asked_at=None, n_asked=0, retry_at=None, stuck="")
        return
    task = _find_task(draft.before, taskforce.task_id)
    draft.change_taskforce(taskforce, asked_at=draft.now, n_asked=taskforce.n_asked + 1, retry_at=None)
    draft.add_event(
        TaskforceStart(
            taskforce_uuid=taskforce.taskforce_uuid,
            schedd=taskforce.schedd,
            workflow_id=taskforce.workflow_id,
            owner=taskforce.owner,
            priority=taskforce.priority,
            n_workers=draft.policy.count_workers(taskforce),
            worker_config=taskforce.worker_config,
            pilot_config=taskforce.pilot_config,
            task=TaskOrder(
                **program_fields(task),
                task_id=task.task_id,
                input_queues=task.input_queues,
                output_queues=task.output_queues,
                sealed_texts=task.sealed_texts,
            ),
            traceparent=taskforce.traceparent,
        )
    )


def _find_task(aggregate: Aggregate, task_id: TaskId) -> TaskDirectiveDocument:
    if task_id not in aggregate.tasks:
        raise Broken(f"task {task_id} was not loaded")
    return aggregate.tasks[task_id]


def ask_to_stop(draft: Draft, taskforce: TaskforceDocument) -> None:
    """Ask the TMS of `taskforce` to remove all clusters of the taskforce."""
    if not draft.find_port(taskforce).takes_orders:
        # Without a cluster the TMS gets nothing to remove, so no report of its end will come.
        ended_at = draft.now if taskforce.cluster_id is None else None
        draft.change_taskforce(
            taskforce, asked_at=None, n_asked=0, retry_at=None, stuck="", ended_at=taskforce.ended_at or ended_at
        )
        return
    draft.change_taskforce(taskforce, asked_at=draft.now, n_asked=taskforce.n_asked + 1, retry_at=None)
    draft.add_event(
        TaskforceStop(taskforce_uuid=taskforce.taskforce_uuid, schedd=taskforce.schedd, cluster_id=taskforce.cluster_id)
    )
