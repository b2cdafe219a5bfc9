"""Make requests to a TMS, and record each, so that WMS repeats a request that is not answered. (core)

An order to start a task with hidden texts has masks in their place, and names them as one of the task's secrets: the
TMS asks for the secrets of a task just before it submits, and the pilot puts the texts in.
"""

from schemas.errors import Broken
from schemas.events import TaskforceStart, TaskforceStop, TaskOrder
from schemas.fleet.documents import TaskDirectiveDocument, TaskforceDocument
from schemas.fleet.objects import PilotConfig
from schemas.fleet.program import program_fields
from schemas.ids import TaskId
from schemas.pilot.variables import full_name
from schemas.rules.secret_names import PROGRAM_SECRET
from wms.fleet.life.aggregate import Aggregate, Draft

_SECRETS = full_name("SECRETS")

#: Why a TMS that polls does not get a task whose texts are hidden. It asks for no secrets.
POLLING_GETS_NO_SECRETS = "its task has passwords, which a TMS that polls over REST cannot get"


def ask_to_start(draft: Draft, taskforce: TaskforceDocument) -> None:
    """Add to `draft` the order that its TMS must submit `taskforce`, and count how often WMS has asked.

    For a TMS that polls, add no order, and clear that count. The phase stays as it is. With hidden texts, the taskforce
    is stuck there.
    """
    task = _find_task(draft.before, taskforce.task_id)
    if not draft.find_port(taskforce).takes_orders:
        # This TMS polls for its work now, so forget how often we reminded it by events.
        stuck = POLLING_GETS_NO_SECRETS if task.sealed_texts else ""
        draft.change_taskforce(taskforce, asked_at=None, n_asked=0, retry_at=None, stuck=stuck)
        return
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
            pilot_config=_name_secrets(taskforce.pilot_config, task),
            task=TaskOrder(
                **program_fields(task),
                task_id=task.task_id,
                input_queues=task.input_queues,
                output_queues=task.output_queues,
            ),
            traceparent=taskforce.traceparent,
        )
    )


def _name_secrets(config: PilotConfig, task: TaskDirectiveDocument) -> PilotConfig:
    """Return `config` with the hidden texts of `task`, if it has some, among the names of its secrets."""
    if not task.sealed_texts:
        return config
    given = config.environment.get(_SECRETS, "")
    names = given if isinstance(given, list) else [str(given)] if given else []
    return config.model_copy(update={"environment": {**config.environment, _SECRETS: [*names, PROGRAM_SECRET]}})


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
