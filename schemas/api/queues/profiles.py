"""Bodies of the routes for queues: their profiles, depths and reservations. Source: contract, sections 1.1 to 1.5."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schemas.api.fields import Name
from schemas.fleet.objects import ExactInt, MQGroup, MQProfile, Object


class Use(StrEnum):
    """How a user uses a public queue (`?to=`)."""

    PUBLISH = "publish"
    CONSUME = "consume"


class ProfilesAnswerBody(Object):
    """The answer of GET /mqs/workflows/{id}/mq-profiles/public."""

    mqprofiles: list[MQProfile]


class QueueDepth(Object):
    """How many events of a queue wait, are in work or are put off, and how many consumers take them.

    For a queue from which tasks take events, these events and the gone events add up to the arrived events. GET
    /queues/{mqid} answers with this.
    """

    mqid: str
    alias: str
    is_public: bool
    n_ready: int
    n_unacknowledged: int
    #: How many events are put off: they failed, and come again for the next attempt.
    n_delayed: int = 0
    n_consumers: int
    n_arrived: Annotated[
        int | None, Field(description="How many events have ever come into the queue; null: unknown.")
    ] = None
    n_replayed: Annotated[
        int, Field(description="How many of the arrived events are dead letters that a replay sent back.")
    ] = 0
    n_gone: Annotated[
        int | None, Field(description="How many of the arrived events have certainly left the queue; null: unknown.")
    ] = None
    may_grow: Annotated[
        bool,
        Field(
            description="Whether the broker may not have counted the last arrivals yet, though the inputs are closed."
        ),
    ] = False


class QueueDepths(Object):
    """The depth of each queue of a workflow, and the number of its dead letters.

    GET /workflows/{id}/queues answers with this.
    """

    workflow_id: str
    queues: list[QueueDepth]
    n_dead: int
    n_failed: Annotated[
        int, Field(description="How many events failed for good: the dead letters, and the discarded ones.")
    ] = 0
    max_age_s: Annotated[
        float, Field(description="How old, in seconds, the numbers of queues that tasks take events from may be.")
    ] = 6.0


class ReservationRequest(Object):
    """The body of POST /mqs/workflows/{id}/mq-group/reservation."""

    queue_aliases: Annotated[list[Name], Field(min_length=1, max_length=1000)]
    public: Annotated[list[Name], Field(max_length=1000)]


class Criteria(Object):
    """The criteria by which MQS orders activations."""

    priority: ExactInt


class ActivationRequest(Object):
    """The body of POST /mqs/workflows/{id}/mq-group/activation."""

    criteria: Criteria | None = None


class MQGroupAnswer(Object):
    """A group of queues, and the profile of each queue in the order of the reservation."""

    mqgroup: MQGroup
    mqprofiles: list[MQProfile]
