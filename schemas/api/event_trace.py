"""The trace of one event: what is known of it, of its parents, and of the events that tasks made from it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schemas.failures.dead_letters import DeadLetter
from schemas.failures.history import Attempt
from schemas.objects import Object


class EventState(StrEnum):
    """What the reports of workers say about an event."""

    #: A worker or the broker gave the event up. Without a dead letter, it was replayed or discarded since then.
    DEAD = "dead"
    #: Attempts failed. The next one may be under way, or the event is done.
    FAILED = "failed"
    #: A task made another event of the trace from it.
    DONE = "done"
    #: No worker reported a failure: the event waits, is in work, is done, or never was.
    UNREPORTED = "unreported"


class TracedEvent(Object):
    """One event of a trace."""

    event_id: str
    generation: Annotated[
        int, Field(description="0 is the event itself, -1 the event that it was made from, 1 an event made from it.")
    ]
    parent_id: Annotated[
        str, Field(description="The event that it was made from; empty if unknown, or if a user made it.")
    ]
    made_by: Annotated[str, Field(description="The task that made it; empty if unknown, or if a user did.")]
    mqid: Annotated[str, Field(description="Its queue; empty if unknown.")]
    alias: Annotated[str, Field(description="The alias of its queue; empty if unknown.")]
    state: EventState
    attempts: Annotated[list[Attempt], Field(description="The failed attempts at it, the oldest first.")]
    dead_letter: Annotated[
        DeadLetter | None, Field(description="The event itself as a dead letter. Only that of generation 0 is shown.")
    ] = None


class EventTrace(Object):
    """The answer of GET /workflows/{id}/events/{event_id}/trace."""

    workflow_id: str
    event_id: str
    events: Annotated[list[TracedEvent], Field(description="The parents, then the event, then what tasks made of it.")]
    is_cut: Annotated[bool, Field(description="Whether the trace lacks events or attempts because of its limits.")]
