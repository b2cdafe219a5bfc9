"""The client for programs without an event loop: the names of `ewms.aio`, without `await`.

with Client() as ews:
    run = ews.submit(workflow)
    with run.queue("photons").publisher(close_inputs=True) as publisher:
        for photon in photons:
            publisher.send(photon, key=photon["id"])
    for event in run.queue("results").results():
        save(event.body)
    run.wait().raise_for_failures()

The work is done by the asynchronous client on a loop in the background.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Self

from ewms.aio import AsyncClient
from ewms.durations import Duration
from ewms.gateway.server import Server
from ewms.loop_thread import Portal
from ewms.queues.memory import Remember
from ewms.queues.payloads import Event
from ewms.queues.publisher import DEFAULT_WINDOW, AsyncPublisher, Prepared
from ewms.queues.queue import AsyncQueue
from ewms.queues.results import DEFAULT_AWAY_S, DEFAULT_PREFETCH, AsyncResults
from ewms.workflows.dead_letters import Failures
from ewms.workflows.definition import Workflow
from ewms.workflows.place_checks import Finding
from ewms.workflows.progress import Facts
from ewms.workflows.run import AsyncRun, Until
from ewms.workflows.state import Outcome, State
from ewms.workflows.worker_logs import LogInfo
from runtime.amqp import Delivery
from schemas import objects
from schemas.api import (
    ClusterLocation,
    DeactivationAnswer,
    QueueDepth,
    QueueDepths,
    Stall,
    TaskforceHealth,
    Use,
    WorkflowFound,
)
from schemas.endings import Ending
from schemas.ids import EventId
from schemas.logs import Stream
from schemas.objects import MQProfile


class Client:
    """A user's session with one EWMS server. See `AsyncClient`."""

    def __init__(
        self,
        server: str | None = None,
        *,
        token: str | None = None,
        token_file: str | Path | None = None,
        cluster: str | None = None,
        timeout: Duration = 30,
    ) -> None:
        self._client = AsyncClient(server, token=token, token_file=token_file, cluster=cluster, timeout=timeout)
        self._portal: Portal | None = None

    @property
    def server(self) -> Server:
        """Return the server that was found."""
        return self._client.server

    def __enter__(self) -> Self:
        self._portal = Portal()
        self._portal.call(self._client.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the background thread."""
        if self._portal is not None:
            self._portal.call(self._client.close())
            self._portal.close()
            self._portal = None

    def submit(self, workflow: Workflow | Mapping[str, Any]) -> "Run":
        """Post `workflow` and return it as it is on the server. See `AsyncClient.submit`."""
        return Run(self._open, self._open.call(self._client.submit(workflow)))

    def run(self, workflow_id: str) -> "Run":
        """Return the workflow `workflow_id`, submitted earlier or elsewhere."""
        return Run(self._open, self._client.run(workflow_id))

    def workflows(self, query: Mapping[str, Any] | None = None) -> list[WorkflowFound]:
        """Return the workflows that `query` finds, oldest first."""
        return self._open.call(self._client.workflows(query))

    def clusters(self) -> list[ClusterLocation]:
        """Return where tasks can run: the names that `cluster_locations` takes."""
        return self._open.call(self._client.clusters())

    def checkup(self) -> list[Finding]:
        """Return what is well and what is not on the way to the server."""
        return self._open.call(self._client.checkup())

    def task(self, task_id: str) -> objects.TaskDirective:
        """Return the task directive `task_id`."""
        return self._open.call(self._client.task(task_id))

    def taskforces(self, id_: str) -> list[objects.Taskforce]:
        """Return the taskforces of a workflow or a task, oldest first; or the one that `id_` names."""
        return self._open.call(self._client.taskforces(id_))

    def health(self, taskforce_uuid: str) -> TaskforceHealth:
        """Return what is known of a taskforce beside its statuses. See `AsyncClient.health`."""
        return self._open.call(self._client.health(taskforce_uuid))

    def add_workers(self, task_id: str, n_workers: int, *, cluster: str | None = None) -> objects.Taskforce:
        """Return the new taskforce that a running task gets. See `AsyncClient.add_workers`."""
        return self._open.call(self._client.add_workers(task_id, n_workers, cluster=cluster))

    def logs(
        self, id_: str, *, workers: Collection[int] = (), streams: Collection[Stream] = tuple(Stream)
    ) -> list[LogInfo]:
        """Return which of the workers' logs there are of a workflow, a task or a taskforce. See `AsyncClient.logs`."""
        return self._open.call(self._client.logs(id_, workers=workers, streams=streams))

    def read_log(self, log: LogInfo, *, tail: int | None = None) -> Iterator[bytes]:
        """Return the bytes of `log`, stretch by stretch; with `tail` only its last ones, 1 MiB at most."""
        return self._open.each(self._client.read_log(log, tail=tail))

    @property
    def _open(self) -> Portal:
        if self._portal is None:
            raise RuntimeError("use the client inside its `with` block")
        return self._portal


class Run:
    """One workflow on the server. See `AsyncRun`."""

    def __init__(self, portal: Portal, run: AsyncRun) -> None:
        self._portal = portal
        self._run = run
        self.id = run.id
        self.name = run.name

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    def show(self) -> State:
        """Return the workflow with its task directives and taskforces."""
        return self._portal.call(self._run.show())

    def statuses(self) -> dict[str, dict[str, int]]:
        """Return workers by job status and pilot status, all taskforces together."""
        return self._portal.call(self._run.statuses())

    def depths(self) -> QueueDepths:
        """Return how much lies in each queue, and how much is dead."""
        return self._portal.call(self._run.depths())

    def look(self, *, n_sent: int | None = None, n_received: int | None = None, n_expected: int | None = None) -> Facts:
        """Return what `ewms.workflows.progress` works on: the state, the depths, and the caller's own counts."""
        return self._portal.call(self._run.look(n_sent=n_sent, n_received=n_received, n_expected=n_expected))

    @property
    def failures(self) -> Failures:
        """Return what failed: attempts, errors and dead letters, with what can be done about them."""
        return Failures(self._portal, self._run.failures)

    def queue(self, alias: str) -> "Queue":
        """Return the queue `alias`."""
        return Queue(self._portal, self._run.queue(alias))

    def stall(self) -> Stall | None:
        """Return why its work waits in vain; None: it does not. See `AsyncRun.stall`."""
        return self._portal.call(self._run.stall())

    def wait(
        self,
        until: Until = "over",
        *,
        timeout: Duration | None = None,
        fail_if_stalled: bool = False,
        on_notice: Callable[[str], None] | None = None,
    ) -> Outcome:
        """Return once `until` has come. See `AsyncRun.wait`."""
        waiting = self._run.wait(until, timeout=timeout, fail_if_stalled=fail_if_stalled, on_notice=on_notice)
        return self._portal.call(waiting)

    def ending(self) -> Ending | None:
        """Return whether and how it ends by itself. See `AsyncRun.ending`."""
        return self._portal.call(self._run.ending())

    def close_inputs(self) -> Ending:
        """Say that no more events will come. See `AsyncRun.close_inputs`."""
        return self._portal.call(self._run.close_inputs())

    def expect_results(self, n: int, *, count_failures: bool = False) -> Ending:
        """Have it end by itself once `n` results have arrived. See `AsyncRun.expect_results`."""
        return self._portal.call(self._run.expect_results(n, count_failures=count_failures))

    def finish(self) -> DeactivationAnswer:
        """Say that all is done: workers stop, queues are retired."""
        return self._portal.call(self._run.finish())

    def abort(self) -> DeactivationAnswer:
        """Stop it as it stands."""
        return self._portal.call(self._run.abort())


class Queue:
    """One queue of a workflow. See `AsyncQueue`."""

    def __init__(self, portal: Portal, queue: AsyncQueue) -> None:
        self._portal = portal
        self._queue = queue
        self.alias = queue.alias

    def profile(self, use: Use | None = None) -> MQProfile:
        """Return what the server tells of it; with token and broker address once it is active."""
        return self._portal.call(self._queue.profile(use))

    def peek(self, n: int = 10, *, active_timeout: Duration | None = None) -> list[Event]:
        """Return up to `n` events that wait in it, and leave them there. See `ewms.queues.glimpse.peek_events`."""
        return self._portal.call(self._queue.peek(n, active_timeout=active_timeout))

    def purge(self, *, active_timeout: Duration | None = None) -> int:
        """Throw away every event that waits in it, and return how many. See `ewms.queues.glimpse.purge_events`."""
        return self._portal.call(self._queue.purge(active_timeout=active_timeout))

    def depth(self) -> QueueDepth:
        """Return how many events wait in it, are being worked on, and who takes them."""
        return self._portal.call(self._queue.depth())

    def publisher(
        self,
        *,
        window: int = DEFAULT_WINDOW,
        active_timeout: Duration | None = None,
        timeout: Duration = 60,
        close_inputs: bool = False,
    ) -> "Publisher":
        """Return a publisher. See `AsyncQueue.publisher`."""
        publisher = self._queue.publisher(
            window=window, active_timeout=active_timeout, timeout=timeout, close_inputs=close_inputs
        )
        return Publisher(self._portal, publisher, window)

    def results(
        self,
        *,
        n: int | None = None,
        idle_timeout: Duration | None = None,
        prefetch: int = DEFAULT_PREFETCH,
        active_timeout: Duration | None = None,
        remember: Remember = True,
        away_timeout: Duration | None = DEFAULT_AWAY_S,
    ) -> "Results":
        """Return its events to iterate over. See `AsyncResults`."""
        results = self._queue.results(
            n=n,
            idle_timeout=idle_timeout,
            prefetch=prefetch,
            active_timeout=active_timeout,
            remember=remember,
            away_timeout=away_timeout,
        )
        return Results(self._portal, results)


class Publisher:
    """An open way onto a queue. See `AsyncPublisher`.

    `send` hands the event to the loop's thread and goes on; one wake-up there serves all events handed over since.
    """

    def __init__(self, portal: Portal, publisher: AsyncPublisher, window: int) -> None:
        self._portal = portal
        self._publisher = publisher
        self._slots = BoundedSemaphore(window)
        self._handed: deque[Prepared] = deque()
        self._scheduled = False

    def __enter__(self) -> Self:
        self._portal.call(self._publisher.__aenter__())
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._portal.call(self._publisher.__aexit__(kind, *rest))

    @property
    def n_confirmed(self) -> int:
        """Return how many events the broker has confirmed."""
        return self._publisher.n_confirmed

    def send(self, payload: Any, *, key: object | None = None, content_type: str | None = None) -> EventId:
        """Send `payload`; return its event's id. See `AsyncPublisher.send`."""
        self._publisher.raise_failures()
        event = self._publisher.prepare(payload, key=key, content_type=content_type)
        self._slots.acquire()
        self._handed.append(event)
        if not self._scheduled:
            self._scheduled = True
            self._portal.loop.call_soon_threadsafe(self._start_handed)
        return event[0]

    @property
    def notify(self) -> Callable[[str], None]:
        """Called with a sentence, on the client's thread, when the broker takes no events for now, and when it does."""
        return self._publisher.notify

    @notify.setter
    def notify(self, notify: Callable[[str], None]) -> None:
        self._publisher.notify = notify

    def flush(self) -> None:
        """Return when everything sent so far is confirmed. See `AsyncPublisher.flush`."""
        self._portal.call(self._publisher.flush())

    def _start_handed(self) -> None:
        # Before the first is taken: whoever hands one over from here on has either it taken below, or a new wake-up.
        self._scheduled = False
        while self._handed:
            self._publisher.start(self._handed.popleft(), self._slots.release)


class Results:
    """The events of a queue, one after the other. See `AsyncResults`."""

    def __init__(self, portal: Portal, results: AsyncResults) -> None:
        self._portal = portal
        self._results = results
        # The loop's body runs in this thread, acknowledgements on the connection's.
        results.settle = self._settle

    def __enter__(self) -> Self:
        self._portal.call(self._results.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        # The client has closed it already if the body raised, whose traceback keeps the loop's iterator alive.
        if self._results.is_open:
            self._portal.call(self._results.__aexit__())

    def leave(self) -> None:
        """End the loop once its body is through with the current event. Any thread may call it."""
        self._portal.post(self._results.leave)

    @property
    def notify(self) -> Callable[[str], None]:
        """Called on the client's thread, with a sentence. See `AsyncResults.notify`."""
        return self._results.notify

    @notify.setter
    def notify(self, notify: Callable[[str], None]) -> None:
        self._results.notify = notify

    def __iter__(self) -> Iterator[Event]:
        with ExitStack() as opened:
            if not self._results.is_open:
                opened.enter_context(self)
            while self._portal.call(self._results.arrival()):
                while (event := self._results.begin()) is not None:
                    yield event
                    self._results.end()

    def _settle(self, delivery: Delivery) -> None:
        self._portal.loop.call_soon_threadsafe(self._results.settle_here, delivery)

    @property
    def n_unacknowledged(self) -> int:
        """Return how many events were dealt with whose acknowledgement was lost: they come again, and are left out."""
        return self._results.n_unacknowledged

    @property
    def n_duplicates(self) -> int:
        """Return how many repeats the loop was spared."""
        return self._results.n_duplicates

    def ack(self) -> bool:
        """Acknowledge the loop's current event before the body ends; False: the event comes again."""
        return self._portal.call(self._results.ack())
