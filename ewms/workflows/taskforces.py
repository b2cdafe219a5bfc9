"""Find tasks and taskforces by their ids alone, and give a task more workers."""

from collections.abc import Sequence

from ewms.gateway.http import Gateway
from ewms.gateway.queries import query_all
from schemas.api.workflows.health import TaskforceHealth
from schemas.errors import Rejected
from schemas.fleet.objects import TaskDirective, Taskforce
from schemas.ids import TASK_ID, TASKFORCE_UUID, WORKFLOW_ID

#: About how many workflows one request asks for their tasks.
_WORKFLOWS_AT_ONCE = 200


async def fetch_taskforces(gateway: Gateway, id_: str) -> list[Taskforce]:
    """Return the taskforces of the workflow or the task `id_`; or the taskforce `id_` alone.

    Raises:
        Rejected: `id_` is not the id of one of these.
        NotThere: the object does not exist, or belongs to another user.
    """
    if TASKFORCE_UUID.fullmatch(id_):
        return [Taskforce.model_validate(await gateway.get_json(f"/taskforces/{id_}"), extra="ignore")]
    if TASK_ID.fullmatch(id_):
        await gateway.get_json(f"/task-directives/{id_}")
        return await query_all(gateway, "taskforces", "taskforces", Taskforce, {"task_id": id_})
    if WORKFLOW_ID.fullmatch(id_):
        await gateway.get_json(f"/workflows/{id_}")
        return await query_all(gateway, "taskforces", "taskforces", Taskforce, {"workflow_id": id_})
    raise Rejected(
        f"{id_!r} is not the id of a taskforce, a task or a workflow",
        hint="an id looks like TF-6b00e09f-926a610b-485d2fc0-57c5a8e4, TK-... or WF-...; see `ewms workflow list "
        "--all`",
    )


async def fetch_health(gateway: Gateway, id_: str) -> TaskforceHealth:
    """Return why the taskforce `id_` is stuck or short of workers, and how its pilots exited.

    Raises:
        NotThere: the taskforce does not exist, or belongs to another user.
    """
    seen = await gateway.get_json(f"/taskforces/{id_}?include=health")
    return TaskforceHealth.model_validate(seen["health"], extra="ignore")


async def fetch_task(gateway: Gateway, id_: str) -> TaskDirective:
    """Return the task directive `id_`.

    Raises:
        Rejected: `id_` is not the id of a task.
        NotThere: the task does not exist, or belongs to another user.
    """
    if not TASK_ID.fullmatch(id_):
        raise Rejected(
            f"{id_!r} is not the id of a task",
            hint="an id looks like TK-6b00e09f-926a610b-485d2fc0; `ewms task list WORKFLOW` shows a workflow's",
        )
    return TaskDirective.model_validate(await gateway.get_json(f"/task-directives/{id_}"), extra="ignore")


async def fetch_tasks(gateway: Gateway, workflows: Sequence[str]) -> list[TaskDirective]:
    """Return the tasks of these workflows, oldest first."""
    found: list[TaskDirective] = []
    for at in range(0, len(workflows), _WORKFLOWS_AT_ONCE):
        query = {"workflow_id": {"$in": list(workflows[at : at + _WORKFLOWS_AT_ONCE])}}
        found += await query_all(gateway, "task-directives", "task_directives", TaskDirective, query)
    return found


async def add_workers(gateway: Gateway, id_: str, n_workers: int, cluster: str | None = None) -> Taskforce:
    """Give the task `id_` a new taskforce of `n_workers` at `cluster`, and return it.

    `cluster` None is the place where the task runs already, if there is only one.

    Raises:
        Rejected: the task runs at several places and `cluster` is None; or the server does not accept it.
        NotThere: the task does not exist, or its workflow is over.
    """
    task = await fetch_task(gateway, id_)
    if cluster is None:
        if len(task.cluster_locations) != 1:
            raise Rejected(
                f"{id_} runs at {len(task.cluster_locations)} cluster locations: name the one to add workers at",
                hint="--cluster with one of: " + ", ".join(task.cluster_locations),
            )
        (cluster,) = task.cluster_locations
    body = {"cluster_location": cluster, "n_workers": n_workers}
    answer = await gateway.post_json(f"/task-directives/{id_}/actions/add-workers", body)
    return Taskforce.model_validate(answer, extra="ignore")
