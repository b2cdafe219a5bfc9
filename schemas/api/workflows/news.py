"""One workflow of the list of news, as GET /events sends it."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from schemas.fleet.objects import Object


class WorkflowNews(Object):
    """How a workflow stands, in few words: its end, or why it is stalled."""

    workflow_id: str
    timestamp: float
    priority: int
    outcome: Annotated[str, Field(description="done, done with failures, finished or aborted; empty: under way.")]
    ended_at: float | None
    inputs_closed: bool
    has_queues: bool
    stalled_since: datetime | None
    problems: Annotated[list[str], Field(description="Why events wait in vain or fail; empty if all moves.")]
