"""The trace of one event: what is known of it, of its parents, and of the events that tasks made from it."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from schemas.attempts.dead_letters import DeadLetter
from schemas.attempts.done_history import DoneAttempt, TracedFamily
from schemas.attempts.failed_history import Attempt
from schemas.fleet.objects import Object


class EventState(StrEnum):
    """What the reports of workers say about an event."""

    #: A worker or the broker gave the event up. Without a dead letter, it was replayed or discarded since then.
    DEAD = "dead"
    #: Attempts failed. The next one may be under way, or the event is done.
    FAILED = "failed"
    #: A worker reported that it acknowledged the event, or a task made another event of the trace from it.
    DONE = "done"
    #: No worker reported anything. The event waits or is in work. If its family is not traced, it may also be done.
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
    done: Annotated[
        list[DoneAttempt],
        Field(
            default_factory=list,
            description="The attempts at it that ended well, the oldest first. Workers report them of traced events "
            "only. There are several if the broker delivered the event again after an acknowledgement was lost.",
        ),
    ]
    published_at: Annotated[
        AwareDatetime | None, Field(description="When it was published; null if that is unknown.")
    ] = None
    dead_letter: Annotated[
        DeadLetter | None, Field(description="The event itself as a dead letter. Only that of generation 0 is shown.")
    ] = None


class TracedFamilies(Object):
    """The answer of GET /workflows/{id}/traces."""

    families: Annotated[list[TracedFamily], Field(description="Those with the newest reports first, at most 200.")]


class EventTrace(Object):
    """The answer of GET /workflows/{id}/events/{event_id}/trace."""

    workflow_id: str
    event_id: str
    events: Annotated[list[TracedEvent], Field(description="The parents, then the event, then what tasks made of it.")]
    is_cut: Annotated[bool, Field(description="Whether the trace lacks events or attempts because of its limits.")]
