"""The client for programs without an event loop: the names of `ewms.aio`, without `await`.

with Client() as ews:
    run = ews.submit(workflow)
    with run.queue("photons").publisher(close_inputs=True) as publisher:
        for photon in photons:
            publisher.send(photon, key=photon["id"])
    for event in run.queue("results").results():
        save(event.body)
    run.wait().raise_for_failures()

The asynchronous client does the work, on an event loop in a background thread. Wherever a method takes a duration
(`timeout`, `idle_timeout`, ...) it takes seconds, a text such as "45s" or "1h30m", or a `timedelta`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ewms.aio import AsyncClient
from ewms.durations import Duration
from ewms.gateway.server import Server
from ewms.loop_thread import LoopThread
from ewms.run_client import Run
from ewms.workflows.definition import Workflow
from ewms.workflows.news import WorkflowChanges
from ewms.workflows.worker_logs import LogInfo
from schemas.api.queries import WorkflowFound
from schemas.api.workflows.health import TaskforceHealth
from schemas.api.workflows.requests import ClusterLocation
from schemas.fleet import objects
from schemas.questions.worker_logs import LogStream

if TYPE_CHECKING:
    # Each is imported at its first use: a command needs one of them, and their models take long to import.
    from ewms.catalogue.plain_catalogue import CatalogueClient
    from ewms.gateway.audit_pages import AuditFilter
    from ewms.inventories.plain_hosts import HostClient
    from ewms.inventories.plain_inventories import InventoryClient
    from ewms.jobs.plain_jobs import HostJobClient
    from ewms.operators.plain_operators import OperatorClient
    from ewms.processes.plain_processes import Processes
    from ewms.processes.plain_subscriptions import SubscriptionClient
    from ewms.secrets.plain_secrets import SecretClient
    from ewms.trees.plain_trees import TreeClient
    from ewms.workflows.place_checks import Finding
    from schemas.api.audit import AuditRowSeen

__all__ = ["Client", "Run"]


class Client:
    """A user's session with one EWMS server.

    with Client() as ews:
        run = ews.submit(workflow)
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
        repetitions included.

        Raises:
            Rejected: no server is named, or its address is malformed.
        """
        self._client = AsyncClient(server, token=token, token_file=token_file, cluster=cluster, timeout=timeout)
        self._portal: LoopThread | None = None

    @property
    def server(self) -> Server:
        """Return the server that this client found: its address, and how the user is known there."""
        return self._client.server

    def __enter__(self) -> Self:
        self._portal = LoopThread()
        self._portal.run_coroutine(self._client.__aenter__)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the gateway.

        Then end the background thread. Leaving the `with` block does the same.
        """
        if self._portal is not None:
            self._portal.run_coroutine(self._client.close)
            self._portal.close()
            self._portal = None

    def submit(self, workflow: Workflow | Mapping[str, Any]) -> Run:
        """Post `workflow` and return its run on the server.

        `workflow` is a `Workflow`, or the request's JSON object as a mapping. A wrong request, or one whose tasks
        could never run, is not sent.

        Raises:
            CannotRun: the request has faults; the error names all of them.
            Refused: the server does not accept it, for example an unknown place; the reason names the field.
            Rejected: `workflow` is not a request.
        """
        return Run(self._running_loop, self._running_loop.run_coroutine(lambda: self._client.submit(workflow)))

    def run(self, workflow_id: str) -> Run:
        """Return the workflow `workflow_id` (WF-...), submitted earlier or elsewhere. This asks the server nothing.

        Raises:
            Rejected: it is not the id of a workflow.
        """
        return Run(self._running_loop, self._client.run(workflow_id))

    def workflows(self, query: Mapping[str, Any] | None = None) -> list[WorkflowFound]:
        """Return the workflows that match `query` and that you may see, oldest first, each with its `outcome`.

        `query` is a MongoDB filter: `{"deactivated": None}` finds the workflows that were not ended, None finds all.
        docs/api.md lists the operators that the server accepts.
        """
        return self._running_loop.run_coroutine(lambda: self._client.workflows(query))

    def follow_workflows(self, *, after: str = "") -> Iterator[WorkflowChanges]:
        """Yield how the workflows stand that you may see, then each change. `after` is the `id` of the last known one.

        Raises:
            Refused, Unreachable, ServerDown: you have too many streams, or the server is away for about a minute.
        """
        return self._running_loop.run_iterator(self._client.follow_workflows(after=after))

    def clusters(self) -> list[ClusterLocation]:
        """Return the places where tasks can run; `Task.clusters` takes their names."""
        return self._running_loop.run_coroutine(self._client.clusters)

    def changes(self, wanted: "AuditFilter | None" = None, *, limit: int = 50) -> "list[AuditRowSeen]":
        """Return who changed what, the newest first: at most `limit` changes that you may see and that match."""
        return self._running_loop.run_coroutine(lambda: self._client.changes(wanted, limit=limit))

    def checkup(self) -> "list[Finding]":
        """Check each step on the way to a working server, and return one finding a step."""
        return self._running_loop.run_coroutine(self._client.checkup)

    def task(self, task_id: str) -> objects.TaskDirective:
        """Return the task directive `task_id` (TK-...).

        Raises:
            Rejected: `task_id` is not the id of a task.
            NotThere: the task does not exist, or belongs to another user.
        """
        return self._running_loop.run_coroutine(lambda: self._client.task(task_id))

    def tasks(self, workflows: Sequence[str]) -> list[objects.TaskDirective]:
        """Return the tasks of these workflows (WF-...), oldest first."""
        return self._running_loop.run_coroutine(lambda: self._client.tasks(workflows))

    def taskforces(self, id_: str) -> list[objects.Taskforce]:
        """Return the taskforces of a workflow (WF-...) or a task (TK-...), oldest first; or the one `id_` (TF-...).

        Raises:
            Rejected: `id_` is not the id of one of these.
            NotThere: the object does not exist, or belongs to another user.
        """
        return self._running_loop.run_coroutine(lambda: self._client.taskforces(id_))

    def health(self, taskforce_uuid: str) -> TaskforceHealth:
        """Return why a taskforce is stuck or short of workers, and how its pilots exited.

        Raises:
            NotThere: the taskforce does not exist, or belongs to another user.
        """
        return self._running_loop.run_coroutine(lambda: self._client.health(taskforce_uuid))

    def add_workers(self, task_id: str, n_workers: int, *, cluster: str | None = None) -> objects.Taskforce:
        """Give a running task `n_workers` more workers, and return the new taskforce that they form.

        `cluster` names the place; leave it out if the task runs at one place only.

        Raises:
            Rejected: the task runs at several places and `cluster` is missing; or the server does not accept it.
            NotThere: the task does not exist, or its workflow is over.
        """
        return self._running_loop.run_coroutine(lambda: self._client.add_workers(task_id, n_workers, cluster=cluster))

    def logs(
        self, id_: str, *, workers: Collection[int] = (), streams: Collection[LogStream] = tuple(LogStream)
    ) -> list[LogInfo]:
        """List the logs of the workers of a workflow (WF-...), a task (TK-...) or a taskforce (TF-...).

        `workers` are numbers counted from 0; without any, all workers count. The streams are
        `LogStream.OUT` and `LogStream.ERR`. A worker leaves logs if its task has `keep_worker_logs=True`.

        Raises:
            NotThere: there are no logs (yet); the hint says when there will be some.
        """
        return self._running_loop.run_coroutine(lambda: self._client.logs(id_, workers=workers, streams=streams))

    def read_log(self, log: LogInfo, *, tail: int | None = None) -> Iterator[bytes]:
        """Return the bytes of `log` in pieces of 1 MiB; with `tail` only its last `tail` bytes, 1 MiB at most."""
        return self._running_loop.run_iterator(self._client.read_log(log, tail=tail))

    @property
    def processes(self) -> "Processes":
        """Return the processes of step lists: start, list, resume and abort them."""
        from ewms.processes.plain_processes import Processes

        return Processes(self._running_loop, self._client.processes)

    @property
    def subscriptions(self) -> "SubscriptionClient":
        """Return the subscriptions that processes work on."""
        from ewms.processes.plain_subscriptions import SubscriptionClient

        return SubscriptionClient(self._running_loop, self._client.subscriptions)

    @property
    def trees(self) -> "TreeClient":
        """Return the decision trees: launch templates, watch and draw them."""
        from ewms.trees.plain_trees import TreeClient

        return TreeClient(self._running_loop, self._client.trees)

    @property
    def inventories(self) -> "InventoryClient":
        """Return the inventories: create, import, export and search them."""
        from ewms.inventories.plain_inventories import InventoryClient

        return InventoryClient(self._running_loop, self._client.inventories)

    @property
    def secrets(self) -> "SecretClient":
        """Return the secrets of organizations: set, list and delete them."""
        from ewms.secrets.plain_secrets import SecretClient

        return SecretClient(self._running_loop, self._client.secrets)

    @property
    def hosts(self) -> "HostClient":
        """Return the hosts of inventories: add, label and change them, and see their merged variables."""
        from ewms.inventories.plain_hosts import HostClient

        return HostClient(self._running_loop, self._client.hosts)

    @property
    def catalogue(self) -> "CatalogueClient":
        """Return the catalogue tasks: register, approve and rebuild them, and read the logs of their builds."""
        from ewms.catalogue.plain_catalogue import CatalogueClient

        return CatalogueClient(self._running_loop, self._client.catalogue)

    @property
    def jobs(self) -> "HostJobClient":
        """Return the jobs: run tasks of the catalogue on inventories, and keep lists of tasks."""
        from ewms.jobs.plain_jobs import HostJobClient

        return HostJobClient(self._running_loop, self._client.jobs)

    @property
    def operators(self) -> "OperatorClient":
        """Return what operators do: drain places, and give users other quotas."""
        from ewms.operators.plain_operators import OperatorClient

        return OperatorClient(self._running_loop, self._client.operators)

    @property
    def _running_loop(self) -> LoopThread:
        if self._portal is None:
            raise RuntimeError("use the client inside its `with` block")
        return self._portal
