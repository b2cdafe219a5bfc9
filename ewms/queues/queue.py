"""One queue of a workflow, as its user sees it."""

from ewms.durations import Duration, parse_seconds
from ewms.errors import NotThere
from ewms.gateway.http import Gateway
from ewms.gateway.queries import fetch_depths
from ewms.queues.glimpse import peek_events, purge_events
from ewms.queues.memory import Remember
from ewms.queues.payloads import Event
from ewms.queues.publisher import DEFAULT_WINDOW, AsyncPublisher
from ewms.queues.queue_state import fetch_public_profile
from ewms.queues.results import DEFAULT_AWAY_S, DEFAULT_PREFETCH, AsyncResults
from schemas.api.queues.profiles import QueueDepth, Use
from schemas.attempts.trace_sampling import DEFAULT_ONE_IN
from schemas.fleet.objects import MQProfile
from schemas.ids import WorkflowId


class AsyncQueue:
    """One queue of a workflow. Creating this object asks the server nothing."""

    def __init__(self, gateway: Gateway, workflow: WorkflowId, alias: str) -> None:
        self._gateway = gateway
        self._workflow = workflow
        self.alias = alias

    async def profile(self, use: Use | None = None) -> MQProfile:
        """Return the queue's alias, id and state; once it is active, its token and the broker's address too.

        With `use` ("publish" or "consume") the server refuses a queue that is not for that.

        Raises:
            Refused: the queue is not for `use`, or its workflow has ended.
            NotThere: the workflow has no such public queue.
        """
        return await fetch_public_profile(self._gateway, self._workflow, self.alias, use)

    async def peek(self, n: int = 10, *, active_timeout: Duration | None = None) -> list[Event]:
        """Return up to `n` waiting events, and leave them in the queue.

        Other consumers do not get these events meanwhile, and may get them in another order afterwards.
        `active_timeout` is how long to wait for the queue to become active: None for ever, 0 not at all.
        """
        timeout_s = None if active_timeout is None else parse_seconds(active_timeout)
        return await peek_events(self._gateway, self._workflow, self.alias, n=n, active_timeout_s=timeout_s)

    async def purge(self, *, active_timeout: Duration | None = None) -> int:
        """Throw away every event that waits in the queue, and return how many.

        Events that a consumer has in hand stay. `active_timeout` as for `peek`.
        """
        timeout_s = None if active_timeout is None else parse_seconds(active_timeout)
        return await purge_events(self._gateway, self._workflow, self.alias, active_timeout_s=timeout_s)

    async def depth(self) -> QueueDepth:
        """Return how many events of the queue wait or are in work, and how many consumers take them.

        This works for private queues, too.

        Raises:
            NotThere: the workflow has no such queue.
        """
        depths = await fetch_depths(self._gateway, self._workflow)
        for depth in depths.queues:
            if depth.alias == self.alias:
                return depth
        names = ", ".join(depth.alias for depth in depths.queues) or "none yet"
        raise NotThere(f"workflow {self._workflow} has no queue {self.alias!r}", hint=f"its queues: {names}")

    def publisher(
        self,
        *,
        window: int = DEFAULT_WINDOW,
        active_timeout: Duration | None = None,
        timeout: Duration = 60,
        close_inputs: bool = False,
        trace_one_in: int = DEFAULT_ONE_IN,
    ) -> AsyncPublisher:
        """Return a publisher for this queue; entering its `with` block opens it.

        `window` (256): `send` waits while this many events are unconfirmed. `active_timeout`: how long the start of the
        block waits for an active queue; None: for ever. `timeout` (60 s): an event has failed if the broker does not
        confirm it within this time. `close_inputs`: the end of the block without an error closes all inputs of the
        workflow, see `AsyncRun.close_inputs`; leave it out if other programs still publish.
        `trace_one_in` (1000): events of which workers report each attempt, also those that end well: the first 20, and
        of the others about one in this many. 1: all; 0: this publisher marks none.

        Raises:
            ValueError: `trace_one_in` is less than 0.
        """
        return AsyncPublisher(
            self._gateway,
            self._workflow,
            self.alias,
            window=window,
            active_timeout_s=None if active_timeout is None else parse_seconds(active_timeout),
            timeout_s=parse_seconds(timeout),
            close_inputs=close_inputs,
            trace_one_in=trace_one_in,
        )

    def results(
        self,
        *,
        n: int | None = None,
        idle_timeout: Duration | None = None,
        prefetch: int = DEFAULT_PREFETCH,
        active_timeout: Duration | None = None,
        remember: Remember = True,
        away_timeout: Duration | None = DEFAULT_AWAY_S,
    ) -> AsyncResults:
        """Return the events of this queue, to iterate over.

        `n`: end after this many events.
        `idle_timeout`: end when no event has come for this time ("30s"; None: never). With `n` this raises `TimedOut`.
        `prefetch` (100): how many events the broker may send before you acknowledge them.
        `active_timeout`: how long to wait for an active queue; None: for ever.
        `remember`: leave out events that this account has handled within seven days. With False, the loop remembers
        only its own events; a path names the directory of the files.
        `away_timeout` (120 s): give up with `Unreachable` when the broker is away for longer; None never gives up.
        """
        return AsyncResults(
            self._gateway,
            self._workflow,
            self.alias,
            n=n,
            idle_timeout_s=None if idle_timeout is None else parse_seconds(idle_timeout),
            prefetch=prefetch,
            active_timeout_s=None if active_timeout is None else parse_seconds(active_timeout),
            remember=remember,
            away_timeout_s=None if away_timeout is None else parse_seconds(away_timeout),
        )
