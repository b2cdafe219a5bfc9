"""The client for programs that run an event loop of their own. `ewms.client` has the same methods without `await`."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ewms.durations import Duration, parse_seconds
from ewms.errors import CannotRun
from ewms.gateway.event_following import follow_over_breaks
from ewms.gateway.http import Gateway
from ewms.gateway.queries import query_all
from ewms.gateway.server import find_server
from ewms.workflows.definition import Workflow
from ewms.workflows.news import WorkflowChanges, read_changes
from ewms.workflows.run import AsyncRun
from ewms.workflows.taskforces import add_workers, fetch_health, fetch_task, fetch_taskforces, fetch_tasks
from ewms.workflows.worker_logs import LogInfo, list_logs, read_stretches
from schemas.api.queries import WorkflowFound
from schemas.api.workflows.health import TaskforceHealth
from schemas.api.workflows.requests import ClusterLocation, ClustersAnswer, WorkflowAnswer
from schemas.checks.plain_faults import describe_kind
from schemas.errors import Rejected
from schemas.fleet import objects
from schemas.ids import WORKFLOW_ID, WorkflowId
from schemas.questions.worker_logs import LogStream

if TYPE_CHECKING:
    # Each is imported at its first use: a command needs one of them, and their models take long to import.
    from ewms.catalogue.async_catalogue import AsyncCatalogueClient
    from ewms.gateway.audit_pages import AuditFilter
    from ewms.inventories.async_hosts import AsyncHostClient
    from ewms.inventories.async_inventories import AsyncInventoryClient
    from ewms.jobs.async_jobs import AsyncHostJobClient
    from ewms.operators.async_operators import AsyncOperatorClient
    from ewms.processes.async_processes import AsyncProcesses
    from ewms.processes.async_subscriptions import AsyncSubscriptionClient
    from ewms.secrets.async_secrets import AsyncSecretClient
    from ewms.trees.async_trees import AsyncTreeClient
    from ewms.workflows.place_checks import Finding
    from schemas.api.audit import AuditRowSeen


class AsyncClient:
    """A user's session with one EWMS server.

    async with AsyncClient() as ews:
        run = await ews.submit(workflow)
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        token: str | None = None,
        token_file: str | Path | None = None,
        cluster: str | None = None,
        timeout: Duration = 30,
    ) -> None:
        """Find the server: in the arguments, then the environment, then `.ewms/endpoints.json`.

        `server` is an address such as "http://127.0.0.1:8080". `token` is the token itself; the client reads
        `token_file` again at each use. Tasks that name no place run at `cluster`. `timeout` (30 s) limits one call, its
        repetitions included. `ewms.gateway.server` lists the variables.

        Raises:
            Rejected: no server is named, or its address is malformed.
        """
        self.server = find_server(server, token=token, token_file=token_file, cluster=cluster)
        self._timeout_s = parse_seconds(timeout)
        self._gateway: Gateway | None = None
        #: The prefix of a dialect besides our own -> its gateway.
        self._other_gateways: dict[str, Gateway] = {}

    async def __aenter__(self) -> Self:
        self._gateway = Gateway(self.server, timeout_s=self._timeout_s)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to the gateway."""
        while self._other_gateways:
            await self._other_gateways.popitem()[1].close()
        if self._gateway is not None:
            await self._gateway.close()
            self._gateway = None

    async def submit(self, workflow: Workflow | Mapping[str, Any]) -> AsyncRun:
        """Post `workflow` and return its run on the server.

        `workflow` is a `Workflow`, or the request's JSON object as a mapping. A wrong request, or one whose tasks
        could never run, is not sent.

        Raises:
            CannotRun: the request has faults; the error names all of them.
            Refused: the server does not accept it, for example an unknown place; the reason names the field.
            Rejected: `workflow` is not a request.
        """
        from ewms.workflows.checking import fetch_cluster_names, refuse_what_cannot_run

        if not isinstance(workflow, Workflow | Mapping):
            raise Rejected(
                f"a request is a JSON object, and this is {describe_kind(workflow)}",
                hint='it looks like {"public_queue_aliases": [...], "tasks": [...]}',
            )
        name = workflow.name if isinstance(workflow, Workflow) else ""
        try:
            body = workflow.request(self.server.clusters) if isinstance(workflow, Workflow) else dict(workflow)
        except ValueError as error:
            raise Rejected(str(error)) from error
        try:
            refuse_what_cannot_run(body)
        except CannotRun:
            # The user should see wrong clusters in the same list, and only the server knows its clusters.
            refuse_what_cannot_run(body, await fetch_cluster_names(self._opened_gateway))
            raise
        answer = WorkflowAnswer.model_validate(await self._opened_gateway.post_json("/workflows", body), extra="ignore")
        return AsyncRun(self._opened_gateway, answer.workflow.workflow_id, name=name)

    def run(self, workflow_id: str) -> AsyncRun:
        """Return the workflow `workflow_id` (WF-...), submitted earlier or elsewhere. This asks the server nothing.

        Raises:
            Rejected: it is not the id of a workflow.
        """
        if not WORKFLOW_ID.fullmatch(workflow_id):
            # The id becomes part of a URL's path, so no other character may pass.
            raise Rejected(
                f"{workflow_id!r} is not the id of a workflow",
                hint="an id looks like WF-6b00e09f-926a610b; `ewms workflow list --all` shows yours",
            )
        return AsyncRun(self._opened_gateway, WorkflowId(workflow_id))

    async def workflows(self, query: Mapping[str, Any] | None = None) -> list[WorkflowFound]:
        """Return the workflows that match `query` and that you may see, oldest first, each with its `outcome`.

        `query` is a MongoDB filter: `{"deactivated": None}` finds the workflows that were not ended, None finds all.
        docs/api.md lists the operators that the server accepts.
        """
        return await query_all(
            self._opened_gateway, "workflows?include=outcome", "workflows", WorkflowFound, dict(query or {})
        )

    def follow_workflows(self, *, after: str = "") -> AsyncIterator[WorkflowChanges]:
        """Yield how the workflows stand that you may see, then each change. `after` is the `id` of the last known one.

        Raises:
            Refused, Unreachable, ServerDown: you have too many streams, or the server is away for about a minute.
        """
        return read_changes(follow_over_breaks(self._opened_gateway, "/events", after=after))

    async def clusters(self) -> list[ClusterLocation]:
        """Return the places where tasks can run; `Task.clusters` takes their names."""
        return ClustersAnswer.model_validate(await self._opened_gateway.get_json("/clusters"), extra="ignore").clusters

    async def changes(self, wanted: "AuditFilter | None" = None, *, limit: int = 50) -> "list[AuditRowSeen]":
        """Return who changed what, the newest first: at most `limit` changes that you may see and that match."""
        from ewms.gateway.audit_pages import AuditFilter, read_changes

        return await read_changes(self._opened_gateway, wanted or AuditFilter(), limit)

    async def checkup(self) -> "list[Finding]":
        """Check each step on the way to a working server, and return one finding a step."""
        from ewms.checkup import check_server

        return [finding async for finding in check_server(self._opened_gateway, self.server.gateway)]

    async def task(self, task_id: str) -> objects.TaskDirective:
        """Return the task directive `task_id` (TK-...).

        Raises:
            Rejected: `task_id` is not the id of a task.
            NotThere: the task does not exist, or belongs to another user.
        """
        return await fetch_task(self._opened_gateway, task_id)

    async def tasks(self, workflows: Sequence[str]) -> list[objects.TaskDirective]:
        """Return the tasks of these workflows (WF-...), oldest first."""
        return await fetch_tasks(self._opened_gateway, workflows)

    async def taskforces(self, id_: str) -> list[objects.Taskforce]:
        """Return the taskforces of a workflow (WF-...) or a task (TK-...), oldest first; or the one `id_` (TF-...).

        Raises:
            Rejected: `id_` is not the id of one of these.
            NotThere: the object does not exist, or belongs to another user.
        """
        return await fetch_taskforces(self._opened_gateway, id_)

    async def health(self, taskforce_uuid: str) -> TaskforceHealth:
        """Return why a taskforce is stuck or short of workers, and how its pilots exited.

        Raises:
            NotThere: the taskforce does not exist, or belongs to another user.
        """
        return await fetch_health(self._opened_gateway, taskforce_uuid)

    async def add_workers(self, task_id: str, n_workers: int, *, cluster: str | None = None) -> objects.Taskforce:
        """Give a running task `n_workers` more workers, and return the new taskforce that they form.

        `cluster` names the place; leave it out if the task runs at one place only.

        Raises:
            Rejected: the task runs at several places and `cluster` is missing; or the server does not accept it.
            NotThere: the task does not exist, or its workflow is over.
        """
        return await add_workers(self._opened_gateway, task_id, n_workers, cluster)

    async def logs(
        self, id_: str, *, workers: Collection[int] = (), streams: Collection[LogStream] = tuple(LogStream)
    ) -> list[LogInfo]:
        """List the logs of the workers of a workflow (WF-...), a task (TK-...) or a taskforce (TF-...).

        `workers` are numbers counted from 0; without any, all workers count. The streams are
        `LogStream.OUT` and `LogStream.ERR`. A worker leaves logs if its task has `keep_worker_logs=True`.

        Raises:
            NotThere: there are no logs (yet); the hint says when there will be some.
        """
        return await list_logs(self._opened_gateway, id_, workers=workers, streams=streams)

    def read_log(self, log: LogInfo, *, tail: int | None = None) -> AsyncIterator[bytes]:
        """Return the bytes of `log` in pieces of 1 MiB; with `tail` only its last `tail` bytes, 1 MiB at most."""
        return read_stretches(self._opened_gateway, log, tail=tail)

    @property
    def processes(self) -> "AsyncProcesses":
        """Return the processes of step lists: start, list, resume and abort them."""
        from ewms.processes.async_processes import AsyncProcesses

        return AsyncProcesses(lambda: self._open_gateway_below("/api"))

    @property
    def subscriptions(self) -> "AsyncSubscriptionClient":
        """Return the subscriptions that processes work on."""
        from ewms.processes.async_subscriptions import AsyncSubscriptionClient

        return AsyncSubscriptionClient(lambda: self._open_gateway_below("/api"))

    @property
    def trees(self) -> "AsyncTreeClient":
        """Return the decision trees: launch templates, watch and draw them."""
        from ewms.trees.async_trees import AsyncTreeClient

        return AsyncTreeClient(lambda: self._open_gateway_below("/api/v2"))

    @property
    def inventories(self) -> "AsyncInventoryClient":
        """Return the inventories: create, import, export and search them."""
        from ewms.inventories.async_inventories import AsyncInventoryClient

        return AsyncInventoryClient(lambda: self._opened_gateway)

    @property
    def hosts(self) -> "AsyncHostClient":
        """Return the hosts of inventories: add, label and change them, and see their merged variables."""
        from ewms.inventories.async_hosts import AsyncHostClient

        return AsyncHostClient(lambda: self._opened_gateway)

    @property
    def secrets(self) -> "AsyncSecretClient":
        """Return the secrets of organizations: set, list and delete them."""
        from ewms.secrets.async_secrets import AsyncSecretClient

        return AsyncSecretClient(lambda: self._opened_gateway)

    @property
    def catalogue(self) -> "AsyncCatalogueClient":
        """Return the catalogue tasks: register, approve and rebuild them, and read the logs of their builds."""
        from ewms.catalogue.async_catalogue import AsyncCatalogueClient

        return AsyncCatalogueClient(lambda: self._opened_gateway)

    @property
    def jobs(self) -> "AsyncHostJobClient":
        """Return the jobs: run tasks of the catalogue on inventories, and keep lists of tasks."""
        from ewms.jobs.async_jobs import AsyncHostJobClient

        return AsyncHostJobClient(lambda: self._opened_gateway)

    @property
    def operators(self) -> "AsyncOperatorClient":
        """Return what operators do: drain places, and give users other quotas."""
        from ewms.operators.async_operators import AsyncOperatorClient

        return AsyncOperatorClient(lambda: self._opened_gateway)

    def _open_gateway_below(self, prefix: str) -> Gateway:
        _ = self._opened_gateway
        if prefix not in self._other_gateways:
            self._other_gateways[prefix] = Gateway(self.server, timeout_s=self._timeout_s, prefix=prefix)
        return self._other_gateways[prefix]

    @property
    def _opened_gateway(self) -> Gateway:
        if self._gateway is None:
            raise RuntimeError("use the client inside its `with` block")
        return self._gateway
