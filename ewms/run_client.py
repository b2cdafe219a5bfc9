"""One workflow for programs without an event loop: watch it, read its failures and end it. See `ewms.client`."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ewms.durations import Duration
from ewms.loop_thread import LoopThread
from ewms.workflows.progress import Observation
from ewms.workflows.run import AsyncRun, Until
from ewms.workflows.state import WorkflowOutcome, WorkflowState
from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.health import Stall
from schemas.api.workflows.requests import DeactivationAnswer
from schemas.fleet.endings import Ending

if TYPE_CHECKING:
    # Imported at their first use: queues need AMQP, and most commands need neither.
    from ewms.queue_client import Queue
    from ewms.workflows.dead_letters import Failures
    from ewms.workflows.plain_views import WorkflowViews


class Run:
    """One workflow on the server. Creating this object asks the server nothing."""

    def __init__(self, portal: LoopThread, run: AsyncRun) -> None:
        self._portal = portal
        self._run = run
        self.id = run.id
        self.name = run.name

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    def show(self) -> WorkflowState:
        """Return the workflow with its task directives and taskforces, as the server sees them now.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return self._portal.run_coroutine(self._run.show)

    def statuses(self) -> dict[str, dict[str, int]]:
        """Return how many workers all taskforces have, by job status and pilot status.

        For example `{"RUNNING": {"Tasking": 41, "null": 3}}`: three pilots have not reported yet.
        """
        return self._portal.run_coroutine(self._run.statuses)

    def depths(self) -> QueueDepths:
        """Return how many events each queue holds, and how many dead letters there are."""
        return self._portal.run_coroutine(self._run.depths)

    def look(
        self, *, n_sent: int | None = None, n_received: int | None = None, n_expected: int | None = None
    ) -> Observation:
        """Return one observation for `ewms.workflows.progress`: the state, the depths, and the caller's own counts."""
        return self._portal.run_coroutine(
            lambda: self._run.look(n_sent=n_sent, n_received=n_received, n_expected=n_expected)
        )

    def observe(self, *, again_s: float = 1.0) -> Iterator[Observation]:
        """Yield what is seen of the workflow until it is over: now, after each change, and the same every `again_s`
        seconds between changes.

        A stream of the server tells when something has changed. While there is none, this looks every `again_s`
        seconds.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
            Unreachable, ServerDown: the server did not answer for as long as the client repeats a call.
        """
        return self._portal.run_iterator(self._run.observe(again_s=again_s))

    @property
    def failures(self) -> "Failures":
        """Return the failures of this workflow: failed attempts, errors and dead letters."""
        from ewms.workflows.dead_letters import Failures

        return Failures(self._portal, self._run.failures)

    @property
    def views(self) -> "WorkflowViews":
        """Return the views of this workflow as a whole: its graph, its progress, and why it stands as it does."""
        from ewms.workflows.plain_views import WorkflowViews

        return WorkflowViews(self._portal, self._run.views)

    def queue(self, alias: str) -> "Queue":
        """Return the queue `alias`. This asks the server nothing."""
        from ewms.queue_client import Queue

        return Queue(self._portal, self._run.queue(alias))

    def stall(self) -> Stall | None:
        """Return why the workflow is stalled: events wait, and nothing will process them. Return None if it is not
        stalled.

        Each of its `causes` has a `text` and the `command` to type next.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return self._portal.run_coroutine(self._run.stall)

    def wait(
        self,
        until: Until = "over",
        *,
        timeout: Duration | None = None,
        fail_if_stalled: bool = False,
        on_notice: Callable[[str], None] | None = None,
    ) -> WorkflowOutcome:
        """Wait until the workflow has come to `until`, and return its outcome.

        `until` is "over" (nothing of it runs any more), "active" (its public queues can be used), or a phase that every
        taskforce has to reach, such as "condor-submit". `timeout` is None for ever, or a duration such as "5m".

        A stall is not an end, because somebody may remove its cause. So `wait` continues, and calls `on_notice` with
        one line when a stall begins, changes or ends; by default the logger `ewms` gets it as a warning.

        Raises:
            TimedOut: `timeout` has passed.
            OutcomeFailed: the workflow cannot come to `until` any more.
            RunStalled: the workflow is stalled, and `fail_if_stalled` is True.
        """
        return self._portal.run_coroutine(
            lambda: self._run.wait(until, timeout=timeout, fail_if_stalled=fail_if_stalled, on_notice=on_notice)
        )

    def ending(self) -> Ending | None:
        """Return whether and how the workflow ends by itself; None if the server cannot tell.

        `completion` is "done" or "done with failures" when it has ended by itself; `reason` says why it is
        not simply done, such as "27 of 30 expected results". Older servers cannot tell.
        """
        return self._portal.run_coroutine(self._run.ending)

    def close_inputs(self) -> Ending:
        """Close the inputs: the workflow ends by itself once every event is done or a dead letter. Return the new
        `Ending`.

        From then on the broker refuses new events. The tasks still process the events that the broker has confirmed
        before. Closing the inputs again changes nothing.

        Raises:
            Refused: empty queues could not show the end, because tasks form a cycle, or make events without taking any.
            AlreadyThere: a user has ended the workflow before.
        """
        return self._portal.run_coroutine(self._run.close_inputs)

    def expect_results(self, n: int, *, count_failures: bool = False) -> Ending:
        """Let the workflow end by itself once `n` events have arrived in its public output queues. Return the new
        `Ending`.

        With `count_failures` a dead letter counts as a result. The tasks first finish the events under way, unless they
        form a cycle or make events without taking any.

        Raises:
            Refused: the workflow has no public output queue.
            AlreadyThere: the workflow has ended.
        """
        return self._portal.run_coroutine(lambda: self._run.expect_results(n, count_failures=count_failures))

    def finish(self) -> DeactivationAnswer:
        """End the workflow, labeled finished, and return at once. Its workers stop later, then MQS removes its queues.

        Raises:
            AlreadyThere: the workflow has ended before.
        """
        return self._portal.run_coroutine(self._run.finish)

    def abort(self) -> DeactivationAnswer:
        """End the workflow, labeled aborted, and return at once. Its workers stop later, then MQS removes its queues.

        Raises:
            AlreadyThere: the workflow has ended before.
        """
        return self._portal.run_coroutine(self._run.abort)
