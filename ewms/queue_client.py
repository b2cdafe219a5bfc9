"""One queue of a run for programs without an event loop: send events to it, or take them from it. See `ewms.client`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import BoundedSemaphore
from typing import Any, Self

from ewms.durations import Duration
from ewms.loop_thread import HandOver, LoopThread
from ewms.queues.memory import Remember
from ewms.queues.payloads import Event
from ewms.queues.publisher import DEFAULT_WINDOW, AsyncPublisher
from ewms.queues.queue import AsyncQueue
from ewms.queues.results import DEFAULT_AWAY_S, DEFAULT_PREFETCH, AsyncResults
from schemas.api.queues.profiles import QueueDepth, Use
from schemas.attempts.trace_sampling import DEFAULT_ONE_IN
from schemas.fleet.objects import MQProfile
from schemas.ids import EventId
from schemas.payloads.payload_codec import PreparedEvent


class Queue:
    """One queue of a workflow. Creating this object asks the server nothing."""

    def __init__(self, portal: LoopThread, queue: AsyncQueue) -> None:
        self._portal = portal
        self._queue = queue
        self.alias = queue.alias

    def profile(self, use: Use | None = None) -> MQProfile:
        """Return the queue's alias, id and state; once it is active, its token and the broker's address too.

        With `use` ("publish" or "consume") the server refuses a queue that is not for that.

        Raises:
            Refused: the queue is not for `use`, or its workflow has ended.
            NotThere: the workflow has no such public queue.
        """
        return self._portal.run_coroutine(lambda: self._queue.profile(use))

    def peek(self, n: int = 10, *, active_timeout: Duration | None = None) -> list[Event]:
        """Return up to `n` waiting events, and leave them in the queue.

        Other consumers do not get these events meanwhile, and may get them in another order afterwards.
        `active_timeout` is how long to wait for the queue to become active: None for ever, 0 not at all.
        """
        return self._portal.run_coroutine(lambda: self._queue.peek(n, active_timeout=active_timeout))

    def purge(self, *, active_timeout: Duration | None = None) -> int:
        """Throw away every event that waits in the queue, and return how many.

        Events that a consumer has in hand stay. `active_timeout` as for `peek`.
        """
        return self._portal.run_coroutine(lambda: self._queue.purge(active_timeout=active_timeout))

    def depth(self) -> QueueDepth:
        """Return how many events of the queue wait or are in work, and how many consumers take them.

        This works for private queues, too.

        Raises:
            NotThere: the workflow has no such queue.
        """
        return self._portal.run_coroutine(self._queue.depth)

    def publisher(
        self,
        *,
        window: int = DEFAULT_WINDOW,
        active_timeout: Duration | None = None,
        timeout: Duration = 60,
        close_inputs: bool = False,
        trace_one_in: int = DEFAULT_ONE_IN,
    ) -> "Publisher":
        """Return a publisher for this queue; entering its `with` block opens it.

        `window` (256): `send` waits while this many events are unconfirmed. `active_timeout`: how long the start of the
        block waits for an active queue; None: for ever. `timeout` (60 s): an event has failed if the broker does not
        confirm it within this time. `close_inputs`: the end of the block without an error closes all inputs of the
        workflow, see `Run.close_inputs`; leave it out if other programs still publish.
        `trace_one_in` (1000): events of which workers report each attempt, also those that end well: the first 20, and
        of the others about one in this many. 1: all; 0: this publisher marks none.

        Raises:
            ValueError: `trace_one_in` is less than 0.
        """
        publisher = self._queue.publisher(
            window=window,
            active_timeout=active_timeout,
            timeout=timeout,
            close_inputs=close_inputs,
            trace_one_in=trace_one_in,
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

        `n`: end after this many events.
        `idle_timeout`: end when no event has come for this time ("30s"; None: never). With `n` this raises `TimedOut`.
        `prefetch` (100): how many events the broker may send before you acknowledge them.
        `active_timeout`: how long to wait for an active queue; None: for ever.
        `remember`: leave out events that this account has handled within seven days. With False, the loop remembers
        only its own events; a path names the directory of the files.
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

    Internally `send` hands the event to the loop's thread, see `HandOver`.
    """

    def __init__(self, portal: LoopThread, publisher: AsyncPublisher, window: int) -> None:
        self._portal = portal
        self._publisher = publisher
        self._slots = BoundedSemaphore(window)
        self._to_send = HandOver(portal, self._start_sending)

    def __enter__(self) -> Self:
        self._portal.run_coroutine(self._publisher.__aenter__)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._portal.run_coroutine(lambda: self._publisher.__aexit__(kind, *rest))

    @property
    def n_confirmed(self) -> int:
        """Return how many events the broker has confirmed."""
        return self._publisher.n_confirmed

    def send(self, payload: Any, *, key: object | None = None, content_type: str | None = None) -> EventId:
        """Send `payload`, and return the id of its event.

        `send` sends bytes unchanged, a str as UTF-8 text, anything else as JSON. An event has at most 4 MiB. `key`
        identifies the event, for example `photon["id"]`: the same key gives the same id. The task runs for each event
        with that id, and `results` lets the outputs through once. `content_type` replaces the payload's own.

        Raises:
            TypeError, ValueError: the payload cannot be sent.
            TooLarge: it has more than 4 MiB.
            PublishFailed: the broker did not accept earlier events.
        """
        self._publisher.raise_failures()
        event = self._publisher.prepare_event(payload, key=key, content_type=content_type)
        self._slots.acquire()
        self._to_send.add_item(event)
        return event[0]

    @property
    def notify(self) -> Callable[[str], None]:
        """The client's thread calls this with a sentence when the broker stops or resumes taking events."""
        return self._publisher.notify

    @notify.setter
    def notify(self, notify: Callable[[str], None]) -> None:
        self._publisher.notify = notify

    def flush(self) -> None:
        """Wait until the broker has confirmed everything that was sent so far.

        Raises:
            PublishFailed: the broker did not accept some of it.
        """
        self._portal.run_coroutine(self._publisher.flush)

    def _start_sending(self, event: PreparedEvent) -> None:
        self._publisher.start_sending(event, self._slots.release)


class Results:
    """The events of a queue, one after the other.

    for event in run.queue("results").results(n=500):
        save(event.body)

    The loop acknowledges an event when its body has ended. If the body raises or leaves by `break`, the event goes back
    to the queue. `AsyncResults` describes repeats, the end of the loop, and a broker that is away.
    """

    def __init__(self, portal: LoopThread, results: AsyncResults) -> None:
        self._portal = portal
        self._results = results
        # The loop's body runs in the user's thread; acknowledgements run in the connection's.
        results.settle = HandOver(portal, results.settle_here).add_item

    def __enter__(self) -> Self:
        self._portal.run_coroutine(self._results.__aenter__)
        return self

    def __exit__(self, *_: object) -> None:
        # If the body raised, its traceback keeps the loop's iterator alive, and the client has closed us already.
        if self._results.is_open:
            self._portal.run_coroutine(self._results.__aexit__)

    def leave(self) -> None:
        """End the loop after the current event.

        Any thread may call this.
        """
        self._portal.call_soon(self._results.leave)

    @property
    def notify(self) -> Callable[[str], None]:
        """The client's thread calls this with a sentence. See `AsyncResults.notify`."""
        return self._results.notify

    @notify.setter
    def notify(self, notify: Callable[[str], None]) -> None:
        self._results.notify = notify

    def __iter__(self) -> Iterator[Event]:
        with ExitStack() as opened:
            if not self._results.is_open:
                opened.enter_context(self)
            while self._portal.run_coroutine(self._results.wait_for_arrival):
                while (event := self._results.begin_event()) is not None:
                    yield event
                    self._results.end_event()

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
        return self._portal.run_coroutine(self._results.ack)
