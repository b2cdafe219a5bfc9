"""Publish a run's output once to each output queue, its outcome, and dead letters with their reasons."""

import asyncio
import logging
import platform
import uuid
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from pilot.events.carried_headers import has_bad_trace, read_trace, split_headers
from pilot.events.payloads import encode_for_legacy
from pilot.events.queues import PilotQueues
from pilot.events.traced_attempts import TracedAttempt
from pilot.failures.event_failures import output_refused
from pilot.failures.failure import Failure
from pilot.failures.secret_mask import SecretMask
from pilot.life.attempts import dead_letter_headers, senders_headers
from pilot.life.event_outcomes import PublishedLogs, RunFacts, describe_outcome, find_ending
from pilot.machine.wall_time import read_now, to_instant
from pilot.machine.whereabouts import Whereabouts
from pilot.settings import PilotSettings
from runtime.amqp import ConnectionLost, Delivery, QueueFull
from schemas.attempts.trace_sampling import is_sampled, mark_headers
from schemas.broker.queue_format import Wire
from schemas.errors import EWMSError
from schemas.ids import EventId, TaskId
from schemas.payloads.data_events import JSON, DataEvent, Header, HeaderValue, output_id
from schemas.pilot.outcomes import RunEnding, outcome_event_id, outcome_to_bytes
from schemas.pilot.pilot_wire import QueueEndpoint

log = logging.getLogger(__name__)


@dataclass(slots=True)
class TaskRun:
    """One run of the task, from its start until the broker has confirmed its outputs."""

    event: DataEvent | None
    attempt: int = 1
    started_s: float = 0.0
    #: When the task ended. The pilot may decide later whether a failed event gets another attempt.
    ended_s: float = 0.0
    #: None if the task has left no output.
    output: bytes | None = None
    output_type: str = ""
    #: The run's random name; empty if the task did not run.
    name: str = ""
    logs: PublishedLogs | None = None
    #: The last lines that a failed task wrote.
    last_lines: str = ""
    #: Indexes of the output queues for which the broker has confirmed the output.
    confirmed: set[int] = field(default_factory=set)
    #: Whether the next task has got the event; None if that is in doubt, or if the task forwards nothing.
    forwarded: bool | None = None
    #: What is noted for the trace; None if the event is not traced.
    traced: TracedAttempt | None = None


class Publishing:
    """Publishes outputs and dead letters for one pilot.

    It calls `on_end` after each publication that was not dropped, with three values: the publication's key; the failure
    if the broker refused the publication, else None; and whether the broker may accept the publication a little later.
    """

    def __init__(
        self,
        settings: PilotSettings,
        queues: PilotQueues,
        whereabouts: Whereabouts,
        *,
        mask: SecretMask,
        on_end: Callable[[int, Failure | None, bool], None],
    ) -> None:
        self._settings = settings
        self._mask = mask
        self._whereabouts = whereabouts
        self._queues = queues
        self._on_end = on_end
        self._under_way: dict[int, asyncio.Task[None]] = {}

    @property
    def under_way(self) -> Iterable[asyncio.Task[None]]:
        """The publications that have begun and not ended."""
        return self._under_way.values()

    def publish_output(self, key: int, run: TaskRun, after_s: float) -> None:
        """After `after_s` seconds, publish the output of `run` to each output queue that does not have it yet.

        If the pilot forwards events, publish the event of `run` instead. If it reports outcomes, publish the outcome
        after that.
        """
        self._begin_task(key, self._publish_result(run, after_s))

    def publish_outcome(self, key: int, run: TaskRun, failure: Failure, after_s: float) -> None:
        """After `after_s` seconds, publish the outcome of an event that failed by `failure`."""
        self._begin_task(key, self._publish_outcome(run, failure, after_s))

    def publish_dead_letter(
        self, key: int, queue: QueueEndpoint, delivery: Delivery, *, failure: Failure, attempt: int, after_s: float
    ) -> None:
        """After `after_s` seconds, publish the event of `delivery` as a dead letter of the workflow."""
        self._begin_task(key, self._publish_dead_letter(queue, delivery, failure, attempt, after_s))

    def drop_publication(self, key: int) -> None:
        """Cancel the publication with the key `key`, if it has begun and not ended."""
        if (task := self._under_way.pop(key, None)) is not None:
            task.cancel()

    def _begin_task(self, key: int, work: Coroutine[Any, Any, None]) -> None:
        task = self._under_way[key] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda task: self._end_publication(key, task))

    def _end_publication(self, key: int, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if self._under_way.get(key) is task:
            del self._under_way[key]
        match task.exception():
            case None:
                self._on_end(key, None, False)
            case EWMSError(reason=reason) as error:
                log.warning("the broker refused an output or a dead letter: %s", reason)
                self._on_end(key, output_refused(reason), isinstance(error, QueueFull))
            case error:
                log.error("publishing failed", exc_info=error)
                self._on_end(key, output_refused(type(error).__name__), False)

    async def _publish_result(self, run: TaskRun, after_s: float) -> None:
        if after_s:
            await asyncio.sleep(after_s)
        if self._settings.forward_events:
            await self._forward_event(run)
        elif run.output is not None:
            await self._publish_output(run)
        if self._settings.outcomes_queue is not None:
            await self._publish_outcome(run, None)

    async def _forward_event(self, run: TaskRun) -> None:
        """Publish the event of `run` to the output queues, which are the next tasks' inputs.

        A task that runs at most once must not get the event twice. So if the connection is lost before the confirm, the
        outcome says that it is in doubt.
        """
        assert run.event is not None
        event, once = run.event, self._settings.at_most_once
        headers, _ = split_headers(senders_headers(event.headers.items()).items())
        if run.traced is not None:
            headers |= mark_headers(run.traced.root, read_now())
        forwarded = DataEvent(event.body, event.id or EventId(str(uuid.uuid4())), event.content_type, headers)
        for index, queue in enumerate(self._settings.task_outputs):
            if index in run.confirmed:
                continue
            try:
                await self._queues.publish_output(queue, forwarded, may_repeat=not once)
            except ConnectionLost:
                log.warning("the broker was lost while event %s went to queue %s", event.id, queue)
                return
            run.confirmed.add(index)
            if run.traced is not None:
                run.traced.outputs.append((queue.mqid, forwarded.id, asyncio.get_running_loop().time()))
        run.forwarded = True

    async def _publish_outcome(self, run: TaskRun, failure: Failure | None, after_s: float = 0.0) -> None:
        queue = self._settings.outcomes_queue
        assert queue is not None
        if after_s:
            await asyncio.sleep(after_s)
        lengths = await run.logs.finish_sending() if run.logs is not None else {}
        started, ended = (to_instant(at_s).isoformat() if run.name else "" for at_s in (run.started_s, run.ended_s))
        if failure is not None and self._settings.forward_events and find_ending(failure) is not RunEnding.IN_DOUBT:
            run.forwarded = False
        facts = RunFacts(
            attempt=run.attempt,
            name=run.name,
            started_at=started,
            ended_at=ended,
            output=run.output,
            output_type=run.output_type,
            forwarded=run.forwarded,
            lengths=lengths,
        )
        outcome = describe_outcome(
            run.event, failure, facts, settings=self._settings, whereabouts=self._whereabouts, mask=self._mask
        )
        parent = outcome.event_id
        headers: dict[str, HeaderValue] = {Header.PARENT: parent} if parent else {}
        made = outcome_event_id(parent, self._settings.task_id, run.attempt) if parent else None
        event = DataEvent(outcome_to_bytes(outcome), made or EventId(str(uuid.uuid4())), JSON, headers)
        await self._queues.publish_output(queue, event)

    async def _publish_output(self, run: TaskRun) -> None:
        outputs = enumerate(self._settings.task_outputs)
        missing = [(index, queue) for index, queue in outputs if index not in run.confirmed]
        if len(missing) == 1:
            await self._publish_to(run, *missing[0])
        else:
            await asyncio.gather(*(self._publish_to(run, index, queue) for index, queue in missing))

    async def _publish_to(self, run: TaskRun, index: int, queue: QueueEndpoint) -> None:
        parent = run.event.id if run.event else EventId("")
        headers: dict[str, HeaderValue] = {}
        if parent:
            headers[Header.PARENT] = parent
        if trace := read_trace(run.event.headers) if run.event else self._settings.traceparent:
            headers[Header.TRACE] = trace
        elif run.event and has_bad_trace(run.event.headers):
            log.warning("event %s has an invalid traceparent header; its output goes without it", parent)
        event_id = _make_output_id(parent, self._settings.task_id, index)
        root = run.traced.root if run.traced else EventId("")
        if not parent and is_sampled(event_id, self._settings.trace_one_in):
            root = event_id
        if root:
            headers |= mark_headers(root, read_now())
        body, content_type = run.output or b"", run.output_type
        if queue.wire is Wire.LEGACY and (packed := encode_for_legacy(body, content_type, headers)) is not None:
            body, content_type = packed, ""
        await self._queues.publish_output(queue, DataEvent(body, event_id, content_type, headers))
        run.confirmed.add(index)
        if run.traced is not None:
            run.traced.outputs.append((queue.mqid, event_id, asyncio.get_running_loop().time()))

    async def _publish_dead_letter(
        self, queue: QueueEndpoint, delivery: Delivery, failure: Failure, attempt: int, after_s: float
    ) -> None:
        if after_s:
            await asyncio.sleep(after_s)
        if not self._settings.workflow_id:
            raise EWMSError("EWMS_PILOT_WORKFLOW_ID is not set, so the broker makes the dead letter")
        carried, dropped = split_headers(delivery.headers.items())
        if dropped:
            log.warning("the dead letter of event %s goes without its headers %s", delivery.id, ", ".join(dropped))
        headers = dead_letter_headers(
            carried.items(),
            failure,
            attempt=attempt,
            queue=queue.mqid,
            settings=self._settings,
            worker=platform.node(),
            now=read_now(),
        )
        event_id = delivery.id or _make_output_id(EventId(""), self._settings.task_id, 0)
        await self._queues.publish_dead(queue, DataEvent(delivery.body, event_id, delivery.content_type, headers))


def _make_output_id(parent: EventId, task: TaskId, index: int) -> EventId:
    """Return the id of an output event.

    It is derived from `parent`, the id of the input event. Without a usable `parent`, it is random.
    """
    return (output_id(parent, task, index) if parent else None) or EventId(str(uuid.uuid4()))
