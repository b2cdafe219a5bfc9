"""Trace one event of a workflow: ask MQS for the reports about it and its relatives."""

from collections.abc import Sequence
from dataclasses import replace

from runtime.bus.questions import Asks
from schemas.api.event_trace import EventTrace
from schemas.attempts.dead_letters import DeadLetter, LettersAnswer, LettersQuery
from schemas.attempts.done_history import DoneAttempt, TracedFamiliesAnswer, TracedFamiliesQuery, TracedFamily
from schemas.attempts.failed_history import (
    MAX_ATTEMPTS_PER_PAGE,
    MAX_EVENTS_ASKED,
    Attempt,
    AttemptsAnswer,
    AttemptsQuery,
)
from schemas.errors import Broken
from schemas.fleet.documents import TaskDirectiveDocument
from schemas.ids import EventId, TaskId, WorkflowId
from schemas.payloads.data_events import Header
from wms.fleet.ownership import Access
from wms.fleet.reading.object_reader import ObjectReader
from wms.insight.event_relatives import Relative, find_maker, list_descendants
from wms.insight.event_trace import group_reports, trace_events

#: The most generations of parents in a trace.
_MOST_PARENTS = 20
#: The most attempts of a parent.
_MOST_OF_PARENT = 20

#: Reading thousands of dead letters takes the broker some seconds.
_LETTERS_TIMEOUT_S = 30.0
_ATTEMPTS_TIMEOUT_S = 10.0


class EventTracer:
    """Traces events of workflows."""

    def __init__(self, reader: ObjectReader, mqs: Asks) -> None:
        self._reader = reader
        self._mqs = mqs

    async def trace_event(self, workflow_id: str, event_id: EventId, access: Access) -> EventTrace:
        """Return what is known of an event, of its parents, and of the events that tasks made from it.

        Raises:
            NotFound: the workflow is unknown, or not the caller's.
            Unavailable: MQS or the broker does not answer.
        """
        workflow = await self._reader.get_workflow(workflow_id, access)
        known_id = WorkflowId(workflow.workflow_id)
        tasks = await self._reader.list_tasks(known_id)
        letter, parent_id = await self._find_letter(known_id, event_id)
        own = await self._find_reports(known_id, [event_id])
        queue = letter.queue if letter is not None else ""
        traced = _describe_event(Relative(event_id, 0, parent_id, TaskId(""), queue), own, tasks)
        parents, of_parents, has_more = await self._find_parents(known_id, traced, tasks)
        descendants, has_too_many = list_descendants(event_id, traced.mqid, tasks, MAX_EVENTS_ASKED)
        of_descendants = await self._find_reports(known_id, [each.event_id for each in descendants])
        answers = [*of_parents, own, of_descendants]
        events = trace_events(
            [*parents, traced],
            descendants,
            group_reports(
                [attempt for answer in answers for attempt in answer.attempts],
                [attempt for answer in answers for attempt in answer.done],
            ),
            letter=letter,
            aliases={queue.mqid: queue.alias for queue in workflow.queues},
        )
        return EventTrace(
            workflow_id=known_id,
            event_id=event_id,
            events=events,
            is_cut=has_more or has_too_many or _is_cut(own) or _is_cut(of_descendants),
        )

    async def list_families(self, workflow_id: str, access: Access) -> list[TracedFamily]:
        """Return the traced families of a workflow, those with the newest reports first.

        Raises:
            NotFound: the workflow is unknown, or not the caller's.
            Unavailable: MQS does not answer.
        """
        workflow = await self._reader.get_workflow(workflow_id, access)
        query = TracedFamiliesQuery(workflow_id=WorkflowId(workflow.workflow_id))
        match await self._mqs.ask(query, timeout_s=_ATTEMPTS_TIMEOUT_S):
            case TracedFamiliesAnswer() as found:
                return found.families
            case other:
                raise Broken(f"MQS answered {other.kind} to {query.kind}")

    async def _find_parents(
        self, workflow_id: WorkflowId, traced: Relative, tasks: Sequence[TaskDirectiveDocument]
    ) -> tuple[list[Relative], list[AttemptsAnswer], bool]:
        """Return the known parents of an event, the first one first, the reports on them, and whether more are known.

        The parent of an event is known if a worker reported an attempt at the event.
        """
        parents: list[Relative] = []
        reported: list[AttemptsAnswer] = []
        child = traced
        while child.parent_id:
            if len(parents) == _MOST_PARENTS:
                return parents, reported, True
            of_parent = await self._find_reports(workflow_id, [child.parent_id], _MOST_OF_PARENT)
            unknown = Relative(child.parent_id, child.generation - 1, EventId(""), TaskId(""), "")
            child = _describe_event(unknown, of_parent, tasks)
            parents.insert(0, child)
            reported.append(of_parent)
        return parents, reported, False

    async def _find_reports(
        self, workflow_id: WorkflowId, event_ids: Sequence[EventId], most: int = MAX_ATTEMPTS_PER_PAGE
    ) -> AttemptsAnswer:
        """Return the newest reported attempts at these events: the failed ones, and those that ended well."""
        if not event_ids:
            return AttemptsAnswer(attempts=[], next_before=None)
        query = AttemptsQuery(workflow_id=workflow_id, event_ids=list(event_ids), limit=most, with_done=True)
        match await self._mqs.ask(query, timeout_s=_ATTEMPTS_TIMEOUT_S):
            case AttemptsAnswer() as found:
                # An older MQS does not know the filter.
                wanted = set(event_ids)
                attempts = [one for one in found.attempts if one.event_id in wanted]
                done = [one for one in found.done if one.event_id in wanted]
                return found.model_copy(update={"attempts": attempts, "done": done})
            case other:
                raise Broken(f"MQS answered {other.kind} to {query.kind}")

    async def _find_letter(self, workflow_id: WorkflowId, event_id: EventId) -> tuple[DeadLetter | None, EventId]:
        """Return the event as a dead letter, without its body and headers, and the id of its parent."""
        query = LettersQuery(workflow_id=workflow_id, event_id=event_id, limit=1, with_bodies=True)
        match await self._mqs.ask(query, timeout_s=_LETTERS_TIMEOUT_S):
            case LettersAnswer(letters=[letter, *_]):
                parent = (letter.headers or {}).get(Header.PARENT, "")
                return letter.model_copy(update={"body": None, "headers": None}), EventId(str(parent))
            case LettersAnswer():
                return None, EventId("")
            case other:
                raise Broken(f"MQS answered {other.kind} to {query.kind}")


def _is_cut(answer: AttemptsAnswer) -> bool:
    return answer.next_before is not None or answer.is_done_cut


def _describe_event(event: Relative, reports: AttemptsAnswer, tasks: Sequence[TaskDirectiveDocument]) -> Relative:
    """Return `event` with its queue, its parent and its maker, as far as the attempts at it name them."""
    attempts: list[Attempt | DoneAttempt] = [*reports.attempts, *reports.done]
    parent_id = next((EventId(one.parent) for one in attempts if one.parent), event.parent_id)
    queue = next((one.queue for one in attempts if one.queue), event.mqid)
    # A header of a user may name any parent. Only one from which a task makes this event counts.
    made = find_maker(event.event_id, parent_id, tasks) if parent_id else None
    if made is None:
        return replace(event, parent_id=EventId(""), mqid=queue)
    return replace(event, parent_id=parent_id, made_by=made.made_by, mqid=queue or made.mqid)
