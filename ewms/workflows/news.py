"""What a stream tells of all workflows that a user may see: which there are, and each change. (core)"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from pydantic import BaseModel

from ewms.gateway.event_reader import StreamedEvent
from schemas.api.workflows.news import WorkflowNews


@dataclass(frozen=True, slots=True)
class WorkflowChanges:
    """What the server tells of workflows at one moment."""

    #: The workflows that have changed; if `is_whole`, all that are under way or ended within the last hour.
    workflows: tuple[WorkflowNews, ...] = ()
    #: The ids of those that left this list.
    gone: tuple[str, ...] = ()
    is_whole: bool = False
    #: Follow the workflows after this id to get only what is new since.
    id: str = ""


class _NewsList(BaseModel):
    workflows: tuple[WorkflowNews, ...]


class _GoneWorkflow(BaseModel):
    workflow_id: str


async def read_changes(events: AsyncGenerator[StreamedEvent, None]) -> AsyncIterator[WorkflowChanges]:
    """Yield what each of `events` tells, and close them at the end."""
    async with aclosing(events):
        async for event in events:
            if (changes := parse_changes(event)) is not None:
                yield changes


def parse_changes(event: StreamedEvent) -> WorkflowChanges | None:
    """Return what an event of the stream tells. Return None for an event of a later version."""
    match event.name:
        case "list":
            listed = _NewsList.model_validate_json(event.data, extra="ignore")
            return WorkflowChanges(listed.workflows, is_whole=True, id=event.id)
        case "workflow":
            return WorkflowChanges((WorkflowNews.model_validate_json(event.data, extra="ignore"),), id=event.id)
        case "gone":
            gone = _GoneWorkflow.model_validate_json(event.data, extra="ignore")
            return WorkflowChanges(gone=(gone.workflow_id,), id=event.id)
        case _:
            return None
