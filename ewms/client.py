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
        self._portal: Portal | None = None

    @property
    def server(self) -> Server:
        """Return the server that this client found: its address, and how the user is known there."""
        return self._client.server

    def __enter__(self) -> Self:
        self._portal = Portal()
        self._portal.call(self._client.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the gateway.

        Then end the background thread. Leaving the `with` block does the same.
        """
        if self._portal is not None:
            self._portal.call(self._client.close())
            self._portal.close()
            self._portal = None

    def submit(self, workflow: Workflow | Mapping[str, Any]) -> "Run":
        """Post `workflow` and return its run on the server.

        `workflow` is a `Workflow`, or the request's JSON object as a mapping. A wrong request, or one whose tasks
        could never run, is not sent.

        Raises:
            CannotRun: the request has faults; the error names all of them.
            Refused: the server does not accept it, for example an unknown place; the reason names the field.
            Rejected: `workflow` is no request.
        """
        return Run(self._open, self._open.call(self._client.submit(workflow)))

    def run(self, workflow_id: str) -> "Run":
        """Return the workflow `workflow_id` (WF-...), submitted earlier or elsewhere. This asks the server nothing.

        Raises:
            Rejected: it is no id of a workflow.
        """
        return Run(self._open, self._client.run(workflow_id))

    def workflows(self, query: Mapping[str, Any] | None = None) -> list[WorkflowFound]:
        """Return the workflows that match `query` and that you may see, oldest first, each with its `outcome`.

        `query` is a MongoDB filter: `{"deactivated": None}` finds the workflows that were not ended, None finds all.
        docs/api.md lists the operators that the server accepts.
        """
        return self._open.call(self._client.workflows(query))

    def clusters(self) -> list[ClusterLocation]:
        """Return the places where tasks can run; `Task.clusters` takes their names."""
        return self._open.call(self._client.clusters())

    def checkup(self) -> list[Finding]:
        """Check each step on the way to a working server, and return one finding a step."""
        return self._open.call(self._client.checkup())

    def task(self, task_id: str) -> objects.TaskDirective:
        """Return the task directive `task_id` (TK-...)."""
        return self._open.call(self._client.task(task_id))

    def taskforces(self, id_: str) -> list[objects.Taskforce]:
        """Return the taskforces of a workflow (WF-...) or a task (TK-...), oldest first; or the one `id_` (TF-...)."""
        return self._open.call(self._client.taskforces(id_))

    def health(self, taskforce_uuid: str) -> TaskforceHealth:
        """Return why a taskforce is stuck or short of workers, and how its pilots exited."""
        return self._open.call(self._client.health(taskforce_uuid))

    def add_workers(self, task_id: str, n_workers: int, *, cluster: str | None = None) -> objects.Taskforce:
        """Give a running task `n_workers` more workers, and return the new taskforce that they form.

        `cluster` names the place; leave it out if the task runs at one place only.

        Raises:
            Rejected: the task runs at several places and `cluster` is missing; or the server does not accept it.
            NotThere: there is no such task, or its workflow is over.
        """
        return self._open.call(self._client.add_workers(task_id, n_workers, cluster=cluster))

    def logs(
        self, id_: str, *, workers: Collection[int] = (), streams: Collection[Stream] = tuple(Stream)
    ) -> list[LogInfo]:
        """List the logs of the workers of a workflow (WF-...), a task (TK-...) or a taskforce (TF-...).

        `workers` are numbers counted from 0; without any, all workers count. `Stream.OUT` and `Stream.ERR` are the
        streams. A worker leaves logs if its task has `keep_worker_logs=True`.

        Raises:
            NotThere: there are no logs (yet); the hint says when there will be some.
        """
        return self._open.call(self._client.logs(id_, workers=workers, streams=streams))

    def read_log(self, log: LogInfo, *, tail: int | None = None) -> Iterator[bytes]:
        """Return the bytes of `log` in pieces of 1 MiB; with `tail` only its last `tail` bytes, 1 MiB at most."""
        return self._open.each(self._client.read_log(log, tail=tail))

    @property
    def _open(self) -> Portal:
        if self._portal is None:
            raise RuntimeError("use the client inside its `with` block")
        return self._portal


class Run:
    """One workflow on the server. Creating this object asks the server nothing."""

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
        """Count the workers of all taskforces by job status, then by pilot status.

        For example `{"RUNNING": {"Tasking": 41, "null": 3}}`: three pilots have not reported yet.
        """
        return self._portal.call(self._run.statuses())

    def depths(self) -> QueueDepths:
        """Return how many events each queue holds, and how many dead letters there are."""
        return self._portal.call(self._run.depths())

    def look(self, *, n_sent: int | None = None, n_received: int | None = None, n_expected: int | None = None) -> Facts:
        """Return one observation for `ewms.workflows.progress`: the state, the depths, and the caller's own counts."""
        return self._portal.call(self._run.look(n_sent=n_sent, n_received=n_received, n_expected=n_expected))

    @property
    def failures(self) -> Failures:
        """Return the failures of this workflow: failed attempts, errors and dead letters."""
        return Failures(self._portal, self._run.failures)

    def queue(self, alias: str) -> "Queue":
        """Return the queue `alias`. This asks the server nothing."""
        return Queue(self._portal, self._run.queue(alias))

    def stall(self) -> Stall | None:
        """Return why events wait and nothing is on its way to work on them; None if the workflow is not stalled.

        Each of its `causes` has a `text` and the `command` to type next.
        """
        return self._portal.call(self._run.stall())

    def wait(
        self,
        until: Until = "over",
        *,
        timeout: Duration | None = None,
        fail_if_stalled: bool = False,
        on_notice: Callable[[str], None] | None = None,
    ) -> Outcome:
        """Wait until the workflow has come to `until`, and return its outcome.

        `until` is "over" (nothing of it runs any more), "active" (its public queues can be used), or a phase that every
        taskforce has to reach, such as "condor-submit". `timeout` is None for ever, or a duration such as "5m".

        A stall is no end: somebody may remove its cause. So `wait` goes on, and calls `on_notice` with one line when a
        stall begins, changes or ends; by default the logger `ewms` gets it as a warning.

        Raises:
            TimedOut: `timeout` has passed.
            OutcomeFailed: the workflow cannot come to `until` any more.
            RunStalled: the workflow is stalled, and `fail_if_stalled` is True.
        """
        waiting = self._run.wait(until, timeout=timeout, fail_if_stalled=fail_if_stalled, on_notice=on_notice)
        return self._portal.call(waiting)

    def ending(self) -> Ending | None:
        """Return whether and how the workflow ends by itself; None if the server cannot tell.

        `completion` is "done" or "done with failures" once it has ended so; `reason` says why it is
        not simply done, such as "27 of 30 expected results". Older servers cannot tell.
        """
        return self._portal.call(self._run.ending())

    def close_inputs(self) -> Ending:
        """Close the inputs: the workflow ends by itself once every event is done or a dead letter.

        From then on the broker refuses what open publishers send; what it has confirmed before is still worked on.
        Closing the inputs again changes nothing.

        Raises:
            Refused: the server could not see the end: its tasks form a cycle, or make events without taking any.
            AlreadyThere: a user has ended it before.
        """
        return self._portal.call(self._run.close_inputs())

    def expect_results(self, n: int, *, count_failures: bool = False) -> Ending:
        """Let the workflow end by itself once `n` events have arrived in its public output queues.

        With `count_failures` a dead letter counts as a result. Events that are under way are finished first, unless the
        tasks form a cycle or make events without taking any.

        Raises:
            Refused: it has no public output queue.
            AlreadyThere: it has ended.
        """
        return self._portal.call(self._run.expect_results(n, count_failures=count_failures))

    def finish(self) -> DeactivationAnswer:
        """End the workflow and label it finished: its workers stop, and its queues are retired.

        Raises:
            AlreadyThere: it was ended before.
        """
        return self._portal.call(self._run.finish())

    def abort(self) -> DeactivationAnswer:
        """End the workflow and label it aborted: its workers stop, and its queues are retired.

        Raises:
            AlreadyThere: it was ended before.
        """
        return self._portal.call(self._run.abort())


class Queue:
    """One queue of a workflow. Creating this object asks the server nothing."""

    def __init__(self, portal: Portal, queue: AsyncQueue) -> None:
        self._portal = portal
        self._queue = queue
        self.alias = queue.alias

    def profile(self, use: Use | None = None) -> MQProfile:
        """Return the queue's alias, id and state; once it is active, its token and the broker's address too.

        With `use` ("publish" or "consume") the server refuses a queue that is not for that.

        Raises:
            Refused: the queue is not for `use`, or no longer.
            NotThere: the workflow has no such public queue.
        """
        return self._portal.call(self._queue.profile(use))

    def peek(self, n: int = 10, *, active_timeout: Duration | None = None) -> list[Event]:
        """Return up to `n` waiting events, and leave them in the queue.

        Other consumers do not get these events meanwhile, and may get them in another order afterwards.
        `active_timeout` is how long to wait for the queue to become active: None for ever, 0 not at all.
        """
        return self._portal.call(self._queue.peek(n, active_timeout=active_timeout))

    def purge(self, *, active_timeout: Duration | None = None) -> int:
        """Throw away every event that waits in the queue, and return how many.

        Events that a consumer has in hand stay. `active_timeout` as for `peek`.
        """
        return self._portal.call(self._queue.purge(active_timeout=active_timeout))

    def depth(self) -> QueueDepth:
        """Return how many events of the queue wait or are being worked on, and how many consumers take them.

        This works for private queues, too.

        Raises:
            NotThere: the workflow has no such queue.
        """
        return self._portal.call(self._queue.depth())

    def publisher(
        self,
        *,
        window: int = DEFAULT_WINDOW,
        active_timeout: Duration | None = None,
        timeout: Duration = 60,
        close_inputs: bool = False,
    ) -> "Publisher":
        """Return a publisher for this queue; entering its `with` block opens it.

        `window` (256): `send` waits while so many events are unconfirmed. `active_timeout`: how long entering the block
        waits for the queue to become active; None is for ever. `timeout` (60 s): an event that the broker has not
        confirmed within it has failed. `close_inputs`: leaving the block without an error closes all inputs of the
        workflow, see `Run.close_inputs`; leave it out where others still publish.
        """
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
        """Return the events of this queue, to iterate over.

        `n`: end after so many events.
        `idle_timeout`: end when no event has come for so long ("30s"; None: never). With `n` that is `TimedOut`.
        `prefetch` (100): how many events the broker may send ahead of their acknowledgement.
        `active_timeout`: how long to wait for the queue to become active; None is for ever.
        `remember`: leave out events that this account has dealt with within seven days. False does so for this loop
        only; a path names the directory of the files.
        `away_timeout` (120 s): give up with `Unreachable` when the broker is away for longer; None never gives up.
        """
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
    """A publisher for one queue. Open it by entering its block.

    with run.queue("photons").publisher() as publisher:
        publisher.send({"id": 7}, key=7)

    `send` does not wait for the confirm of its event, but it waits while `window` events are unconfirmed. Leaving the
    block waits for all confirms, and raises `PublishFailed` if the broker did not accept an event.

    Internally `send` hands the event to the loop's thread; one wake-up there serves all
    events that were handed over since the last.
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
        """Send `payload`, and return the id of its event.

        Bytes are sent as they are, a str as UTF-8 text, anything else as JSON; an event has at most 4 MiB. `key`
        identifies the event, for example `photon["id"]`: the same key gives the same id. The task runs for each event
        with that id, and `results` lets the outputs through once. `content_type` replaces the payload's own.

        Raises:
            TypeError, ValueError: the payload cannot be sent.
            TooLarge: it has more than 4 MiB.
            PublishFailed: the broker did not accept earlier events.
        """
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
        """What to call, on the client's thread, with a sentence when the broker stops or resumes taking events."""
        return self._publisher.notify

    @notify.setter
    def notify(self, notify: Callable[[str], None]) -> None:
        self._publisher.notify = notify

    def flush(self) -> None:
        """Wait until the broker has confirmed everything that was sent so far.

        Raises:
            PublishFailed: the broker did not accept some of it.
        """
        self._portal.call(self._publisher.flush())

    def _start_handed(self) -> None:
        # Reset before the first event is taken. An event that is handed over from here on is either taken below, or
        # `send` schedules a new wake-up for it.
        self._scheduled = False
        while self._handed:
            self._publisher.start(self._handed.popleft(), self._slots.release)


class Results:
    """The events of a queue, one after the other.

    for event in run.queue("results").results(n=500):
        save(event.body)

    The loop acknowledges an event when its body has ended. If the body raises or leaves by `break`, the event goes back
    to the queue. `AsyncResults` has the whole account: repeats, the end of the loop, a broker that is away.
    """

    def __init__(self, portal: Portal, results: AsyncResults) -> None:
        self._portal = portal
        self._results = results
        # The loop's body runs in the user's thread; acknowledgements run in the connection's.
        results.settle = self._settle

    def __enter__(self) -> Self:
        self._portal.call(self._results.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        # If the body raised, its traceback keeps the loop's iterator alive, and the client has closed us already.
        if self._results.is_open:
            self._portal.call(self._results.__aexit__())

    def leave(self) -> None:
        """End the loop after the current event.

        Any thread may call this.
        """
        self._portal.post(self._results.leave)

    @property
    def notify(self) -> Callable[[str], None]:
        """What to call, on the client's thread, with a sentence. See `AsyncResults.notify`."""
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
        """Return how many acknowledgements are known to be lost. Their events come again; the loop leaves them out."""
        return self._results.n_unacknowledged

    @property
    def n_duplicates(self) -> int:
        """Return how many repeated events the loop has left out."""
        return self._results.n_duplicates

    def ack(self) -> bool:
        """Acknowledge the current event now, before the loop's body ends.

        Return False if the acknowledgement is lost: the event comes again, and this loop leaves it out.
        """
        return self._portal.call(self._results.ack())
