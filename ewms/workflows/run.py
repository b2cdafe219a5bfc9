"""One workflow on the server: follow it, wait for it, end it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ewms.durations import Duration, parse_seconds
from ewms.ends import close_inputs, fetch_ending
from ewms.errors import AlreadyThere, NotThere, TimedOut
from ewms.gateway.event_following import ChangeWatch
from ewms.gateway.http import Gateway
from ewms.gateway.queries import Model, fetch_depths, query_all, read_workflow
from ewms.polling import Polling
from ewms.queues.queue_state import fetch_public_profiles
from ewms.stalls import StallListener
from ewms.workflows.progress import Observation
from ewms.workflows.state import WorkflowOutcome, WorkflowState
from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.health import Stall
from schemas.api.workflows.requests import DeactivationAnswer
from schemas.fleet.endings import Ending, outcome_words
from schemas.fleet.objects import TaskDirective, Taskforce, Workflow
from schemas.fleet.phases import Phase
from schemas.ids import WorkflowId

if TYPE_CHECKING:
    # Imported at their first use: queues need AMQP, and most commands need neither.
    from ewms.queues.queue import AsyncQueue
    from ewms.workflows.dead_letters import AsyncFailures
    from ewms.workflows.views import AsyncWorkflowViews

log = logging.getLogger("ewms")

#: `wait` waits until the public queues are "active", the workflow is "over", or every taskforce has reached a phase.
Until = Literal["active", "over"] | Phase


#: `wait` may overrun its timeout by this much, for one last answer of the server.
_LAST_LOOK_S = 2.0


class AsyncRun:
    """One workflow on the server. Creating this object asks the server nothing."""

    def __init__(self, gateway: Gateway, workflow: WorkflowId, *, name: str = "") -> None:
        self._gateway = gateway
        self.id = workflow
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    async def show(self) -> WorkflowState:
        """Return the workflow with its task directives and taskforces, as the server sees them now.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        workflow, stall = await read_workflow(self._gateway, self.id)
        return WorkflowState(
            workflow,
            await self._query_objects("task-directives", "task_directives", TaskDirective),
            await self._query_objects("taskforces", "taskforces", Taskforce),
            stall,
        )

    async def stall(self) -> Stall | None:
        """Return why the workflow is stalled: events wait, and nothing will process them. Return None if it is not
        stalled.

        Each of its `causes` has a `text` and the `command` to type next. If every event has failed, that is a cause,
        too (`stall.is_all_failed`): nothing happens until the user acts.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return (await read_workflow(self._gateway, self.id))[1]

    async def statuses(self) -> dict[str, dict[str, int]]:
        """Return how many workers all taskforces have, by job status and pilot status.

        For example `{"RUNNING": {"Tasking": 41, "null": 3}}`: three pilots have not reported yet.
        """
        return (await self.show()).workers

    async def depths(self) -> QueueDepths:
        """Return how many events each queue holds, and how many dead letters there are."""
        return await fetch_depths(self._gateway, self.id)

    async def look(
        self, *, n_sent: int | None = None, n_received: int | None = None, n_expected: int | None = None
    ) -> Observation:
        """Return one observation for `ewms.workflows.progress`: the state, the depths, and the caller's own counts."""
        state = await self.show()
        try:
            depths = await self.depths()
        except NotThere:
            # The queues of an ended workflow are retired.
            depths = None
        ending = await self.ending()
        return Observation(
            time.monotonic(), state, depths, n_sent, n_received, n_expected, title=self.name, ending=ending
        )

    async def observe(self, *, again_s: float = 1.0) -> AsyncIterator[Observation]:
        """Yield what is seen of the workflow until it is over: now, after each change, and the same every `again_s`
        seconds between changes.

        A stream of the server tells when something has changed. While there is none, this looks every `again_s`
        seconds.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
            Unreachable, ServerDown: the server did not answer for as long as the client repeats a call.
        """
        changes = ChangeWatch(self._gateway, f"/workflows/{self.id}/events")
        try:
            while True:
                seen = await self.look()
                yield seen
                if seen.state.over:
                    return
                while not await changes.wait_for_look(again_s):
                    yield replace(seen, at_s=time.monotonic())
        finally:
            await changes.close()

    @property
    def failures(self) -> "AsyncFailures":
        """Return the failures of this workflow: failed attempts, errors and dead letters."""
        from ewms.workflows.dead_letters import AsyncFailures

        return AsyncFailures(self._gateway, self.id)

    @property
    def views(self) -> "AsyncWorkflowViews":
        """Return the views of this workflow as a whole: its graph, its progress, and why it stands as it does."""
        from ewms.workflows.views import AsyncWorkflowViews

        return AsyncWorkflowViews(self._gateway, self.id)

    def queue(self, alias: str) -> "AsyncQueue":
        """Return the queue `alias`. This asks the server nothing."""
        from ewms.queues.queue import AsyncQueue

        return AsyncQueue(self._gateway, self.id, alias)

    async def wait(
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
        timeout_s = None if timeout is None else parse_seconds(timeout)
        looks = Polling(timeout_s, f"{self.id} is not {until}")
        try:
            # A request to a gateway that is away may take longer than the caller wants to wait.
            async with asyncio.timeout(None if timeout_s is None else timeout_s + _LAST_LOOK_S):
                return await self._poll_until(
                    until, looks, StallListener(self.id, on_notice or log.warning, fail=fail_if_stalled)
                )
        except TimeoutError:
            raise TimedOut(
                f"{self.id} is not {until}: the server did not answer within {timeout_s:g} s", hint="see: ewms doctor"
            ) from None

    async def _poll_until(self, until: Until, looks: Polling, listener: "StallListener") -> WorkflowOutcome:
        if until == "active":
            while not await self._is_active():
                listener.report_stall(await self.stall())
                await looks.wait_for_next()
            return WorkflowOutcome(await self.show())
        phase = None if until == "over" else _parse_phase(until)
        while True:
            state = await self.show()
            if state.over if phase is None else state.has_reached(phase):
                return WorkflowOutcome(state, await self._count_dead(), await self.ending())
            listener.report_stall(state.stall, is_ending=state.workflow.deactivated is not None)
            await looks.wait_for_next()

    async def ending(self) -> Ending | None:
        """Return whether and how the workflow ends by itself; None if the server cannot tell.

        `completion` is "done" or "done with failures" when it has ended by itself; `reason` says why it is
        not simply done, such as "27 of 30 expected results". Older servers cannot tell.
        """
        return await fetch_ending(self._gateway, self.id)

    async def close_inputs(self) -> Ending:
        """Close the inputs: the workflow ends by itself once every event is done or a dead letter. Return the new
        `Ending`.

        From then on the broker refuses new events. The tasks still process the events that the broker has confirmed
        before. Closing the inputs again changes nothing.

        Raises:
            Refused: empty queues could not show the end, because tasks form a cycle, or make events without taking any.
            AlreadyThere: a user has ended the workflow before.
        """
        return await close_inputs(self._gateway, self.id)

    async def expect_results(self, n: int, *, count_failures: bool = False) -> Ending:
        """Let the workflow end by itself once `n` events have arrived in its public output queues. Return the new
        `Ending`.

        With `count_failures` a dead letter counts as a result. The tasks first finish the events under way, unless they
        form a cycle or make events without taking any.

        Raises:
            Refused: the workflow has no public output queue.
            AlreadyThere: the workflow has ended.
        """
        wish = {"n": n, "count_failures": count_failures}
        answer = await self._gateway.post_json(f"/workflows/{self.id}/expected-results", wish)
        return Ending.model_validate(answer, extra="ignore")

    async def finish(self) -> DeactivationAnswer:
        """End the workflow, labeled finished, and return at once. Its workers stop later, then MQS removes its queues.

        Raises:
            AlreadyThere: the workflow has ended before.
        """
        return await self._end_as("finished")

    async def abort(self) -> DeactivationAnswer:
        """End the workflow, labeled aborted, and return at once. Its workers stop later, then MQS removes its queues.

        Raises:
            AlreadyThere: the workflow has ended before.
        """
        return await self._end_as("abort")

    async def _end_as(self, action: str) -> DeactivationAnswer:
        try:
            answer = await self._gateway.post_json(f"/workflows/{self.id}/actions/{action}", {})
        except NotThere as error:
            # The server answers the same for a workflow that was ended and for one that does not exist.
            if (deactivated := (await self._fetch_workflow()).deactivated) is None:
                raise
            ended = await self.ending()
            words = outcome_words(deactivated, ended.completion if ended is not None else None)
            raise AlreadyThere(
                f"workflow {self.id} is already {words}", hint=f"see how it ended: ewms workflow show {self.id}"
            ) from error
        return DeactivationAnswer.model_validate(answer, extra="ignore")

    async def _is_active(self) -> bool:
        if profiles := await fetch_public_profiles(self._gateway, self.id):
            return all(profile.is_activated for profile in profiles)
        # The server does not show private queues, but taskforces wait for them in this phase.
        return all(taskforce.phase is not Phase.PRE_MQ_ACTIVATION for taskforce in (await self.show()).taskforces)

    async def _fetch_workflow(self) -> Workflow:
        return Workflow.model_validate(await self._gateway.get_json(f"/workflows/{self.id}"), extra="ignore")

    async def _count_dead(self) -> int | None:
        try:
            return (await self.depths()).n_dead
        except NotThere:
            return None

    async def _query_objects(self, noun: str, key: str, model: type[Model]) -> list[Model]:
        return await query_all(self._gateway, noun, key, model, {"workflow_id": self.id})


def _parse_phase(name: str) -> Phase:
    if not (phase := Phase(name)).is_known:
        raise ValueError(f"{name!r} is not a phase; phases are {', '.join(Phase)}, and there are 'active' and 'over'")
    return phase
