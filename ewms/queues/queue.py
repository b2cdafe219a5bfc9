"""One queue of a workflow, as its user sees it."""

from ewms.durations import Duration, seconds
from ewms.errors import NotThere
from ewms.gateway.http import Gateway
from ewms.queues.glimpse import peek_events, purge_events
from ewms.queues.memory import Remember
from ewms.queues.payloads import Event
from ewms.queues.publisher import DEFAULT_WINDOW, AsyncPublisher
from ewms.queues.queue_access import public_profile
from ewms.queues.results import DEFAULT_AWAY_S, DEFAULT_PREFETCH, AsyncResults
from schemas.api import QueueDepth, QueueDepths, Use
from schemas.ids import WorkflowId
from schemas.objects import MQProfile


async def queue_depths(gateway: Gateway, workflow: WorkflowId) -> QueueDepths:
    """Return how much lies in each of the workflow's queues, and how much is dead."""
    return QueueDepths.model_validate(await gateway.get(f"/workflows/{workflow}/queues"), extra="ignore")


class AsyncQueue:
    """The queue `alias` of a workflow. Making one asks the server nothing."""

    def __init__(self, gateway: Gateway, workflow: WorkflowId, alias: str) -> None:
        self._gateway = gateway
        self._workflow = workflow
        self.alias = alias

    async def profile(self, use: Use | None = None) -> MQProfile:
        """Return what the server tells of it; with token and broker address once it is active.

        Raises:
            Refused: it is not for `use`, or no longer.
        """
        return await public_profile(self._gateway, self._workflow, self.alias, use)

    async def peek(self, n: int = 10, *, active_timeout: Duration | None = None) -> list[Event]:
        """Return up to `n` events that wait in it, and leave them there. See `peek_events`."""
        timeout_s = None if active_timeout is None else seconds(active_timeout)
        return await peek_events(self._gateway, self._workflow, self.alias, n=n, active_timeout_s=timeout_s)

    async def purge(self, *, active_timeout: Duration | None = None) -> int:
        """Throw away every event that waits in it, and return how many. See `purge_events`."""
        timeout_s = None if active_timeout is None else seconds(active_timeout)
        return await purge_events(self._gateway, self._workflow, self.alias, active_timeout_s=timeout_s)

    async def depth(self) -> QueueDepth:
        """Return how many events wait in it, are being worked on, and who takes them. Private queues, too."""
        depths = await queue_depths(self._gateway, self._workflow)
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
    ) -> AsyncPublisher:
        """Return a publisher; entering its block waits, up to `active_timeout`, for the queue to be active.

        With `close_inputs` leaving the block without an error closes the workflow's inputs (`AsyncRun.close_inputs`).
        """
        return AsyncPublisher(
            self._gateway,
            self._workflow,
            self.alias,
            window=window,
            active_timeout_s=None if active_timeout is None else seconds(active_timeout),
            timeout_s=seconds(timeout),
            close_inputs=close_inputs,
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
        """Return its events to iterate over. See `AsyncResults`."""
        return AsyncResults(
            self._gateway,
            self._workflow,
            self.alias,
            n=n,
            idle_timeout_s=None if idle_timeout is None else seconds(idle_timeout),
            prefetch=prefetch,
            active_timeout_s=None if active_timeout is None else seconds(active_timeout),
            remember=remember,
            away_timeout_s=None if away_timeout is None else seconds(away_timeout),
        )
