"""Bodies of the routes for queues: their profiles, depths and reservations. Source: contract, sections 1.1 to 1.5."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schemas.api.fields import Name
from schemas.objects import ExactInt, MQGroup, MQProfile, Object


class Use(StrEnum):
    """What a user wants a public queue for (`?to=`)."""

    PUBLISH = "publish"
    CONSUME = "consume"


class ProfilesAnswerBody(Object):
    """GET /mqs/workflows/{id}/mq-profiles/public."""

    mqprofiles: list[MQProfile]


class QueueDepth(Object):
    """GET /queues/{mqid}: how many events wait, are being worked on or put off, and who takes them."""

    mqid: str
    alias: str
    is_public: bool
    n_ready: int
    n_unacknowledged: int
    #: Events that failed and wait for their next attempt.
    n_delayed: int = 0
    n_consumers: int
    n_arrived: Annotated[
        int | None, Field(description="How many events have ever come into it; null: that is not known (any more).")
    ] = None
    n_replayed: Annotated[int, Field(description="How many of these were dead letters that a replay sent back.")] = 0
    n_gone: Annotated[int | None, Field(description="How many of them have left it for sure; null: not known.")] = None


class QueueDepths(Object):
    """GET /workflows/{id}/queues: the depth of each queue of a workflow, its dead letters too."""

    workflow_id: str
    queues: list[QueueDepth]
    n_dead: int
    n_failed: Annotated[
        int, Field(description="How many events were given up: the dead letters, and those that were discarded.")
    ] = 0
    max_age_s: Annotated[float, Field(description="How old the figures of events in hand or put off may be.")] = 6.0


class ReservationRequest(Object):
    """POST /mqs/workflows/{id}/mq-group/reservation."""

    queue_aliases: Annotated[list[Name], Field(min_length=1, max_length=1000)]
    public: Annotated[list[Name], Field(max_length=1000)]


class Criteria(Object):
    """What the order of activations goes by."""

    priority: ExactInt


class ActivationRequest(Object):
    """POST /mqs/workflows/{id}/mq-group/activation."""

    criteria: Criteria | None = None


class MQGroupAnswer(Object):
    """A group of queues and each of them, in the order of the reservation."""

    mqgroup: MQGroup
    mqprofiles: list[MQProfile]
