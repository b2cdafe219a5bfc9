"""Tasks and taskforces by their ids, apart from the workflow that they belong to."""

from ewms.gateway.http import Gateway
from ewms.gateway.queries import query_all
from schemas.api import TaskforceHealth
from schemas.errors import Rejected
from schemas.ids import TASK_ID, TASKFORCE_UUID, WORKFLOW_ID
from schemas.objects import TaskDirective, Taskforce


async def taskforces_of(gateway: Gateway, id_: str) -> list[Taskforce]:
    """Return the taskforces of the workflow, the task directive or the taskforce `id_`.

    Raises:
        Rejected: it is no id of either.
        NotThere: there is no such thing, or it is somebody else's.
    """
    if TASKFORCE_UUID.fullmatch(id_):
        return [Taskforce.model_validate(await gateway.get(f"/taskforces/{id_}"), extra="ignore")]
    if TASK_ID.fullmatch(id_):
        await gateway.get(f"/task-directives/{id_}")
        return await query_all(gateway, "taskforces", "taskforces", Taskforce, {"task_id": id_})
    if WORKFLOW_ID.fullmatch(id_):
        await gateway.get(f"/workflows/{id_}")
        return await query_all(gateway, "taskforces", "taskforces", Taskforce, {"workflow_id": id_})
    raise Rejected(
        f"{id_!r} is no id of a taskforce, a task or a workflow",
        hint="they look like TF-6b00e09f-926a610b-485d2fc0-57c5a8e4, TK-... or WF-...; see `ewms workflow list --all`",
    )


async def health_of(gateway: Gateway, id_: str) -> TaskforceHealth:
    """Return what the server knows of the taskforce `id_` beside its phase and statuses: why it is stuck, how it ended.

    Raises:
        NotThere: there is no such taskforce, or it is somebody else's.
    """
    seen = await gateway.get(f"/taskforces/{id_}?include=health")
    return TaskforceHealth.model_validate(seen["health"], extra="ignore")


async def task_of(gateway: Gateway, id_: str) -> TaskDirective:
    """Return the task directive `id_`.

    Raises:
        Rejected: it is no id of one.
        NotThere: there is no such thing, or it is somebody else's.
    """
    if not TASK_ID.fullmatch(id_):
        raise Rejected(
            f"{id_!r} is no id of a task",
            hint="they look like TK-6b00e09f-926a610b-485d2fc0; `ewms task list WORKFLOW` shows a workflow's",
        )
    return TaskDirective.model_validate(await gateway.get(f"/task-directives/{id_}"), extra="ignore")


async def add_workers(gateway: Gateway, id_: str, n_workers: int, cluster: str | None = None) -> Taskforce:
    """Return the new taskforce of `n_workers` that task `id_` gets at `cluster`, by default where it runs already.

    Raises:
        Rejected: it runs at several places and none is named; or the server does not accept it.
        NotThere: there is no such task, or its workflow is over.
    """
    task = await task_of(gateway, id_)
    if cluster is None:
        if len(task.cluster_locations) != 1:
            raise Rejected(
                f"{id_} runs at {len(task.cluster_locations)} cluster locations: name the one to add workers at",
                hint="--cluster with one of: " + ", ".join(task.cluster_locations),
            )
        (cluster,) = task.cluster_locations
    body = {"cluster_location": cluster, "n_workers": n_workers}
    answer = await gateway.post(f"/task-directives/{id_}/actions/add-workers", body)
    return Taskforce.model_validate(answer, extra="ignore")
