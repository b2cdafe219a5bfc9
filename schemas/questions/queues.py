"""Questions to MQS about queues, and their answers. On the control bus, only these answers carry tokens."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from schemas.broker.queue_format import Wire
from schemas.fleet.objects import MQGroup, MQProfile
from schemas.ids import Alias, Mqid, TaskforceUuid, WorkflowId
from schemas.lazy_model import LazyModel
from schemas.questions.bases import Answer, MqsQuestion


class ProfilesQuery(MqsQuestion):
    """The gateway wants the public queues of a workflow, with tokens for `subject`."""

    kind: Literal["profiles"] = "profiles"
    workflow_id: WorkflowId
    subject: str
    #: Whether to answer only for a workflow whose queues another WMS has reserved. Such a workflow has no owner here.
    unowned: bool = False


class GrantQuery(MqsQuestion):
    """A TMS wants the token by which a taskforce's pilots open their queues."""

    kind: Literal["grant"] = "grant"
    workflow_id: WorkflowId
    taskforce_uuid: TaskforceUuid
    inputs: list[Mqid]
    outputs: list[Mqid]
    #: How many pilots run at once. MQS limits their connections accordingly. 0 means unknown and no limit.
    n_workers: int = Field(default=0, ge=0)


class DepthsQuery(MqsQuestion):
    """The gateway wants to know how many events are in the queues of a workflow."""

    kind: Literal["depths"] = "depths"
    workflow_id: WorkflowId


#: The most queues that one question may name. The broker needs some tens of milliseconds for so many.
MAX_BACKLOGS = 200


class BacklogsQuery(MqsQuestion):
    """WMS wants to know how many events are in queues of any workflows, to find out whether events wait in vain."""

    kind: Literal["backlogs"] = "backlogs"
    mqids: Annotated[list[Mqid], Field(max_length=MAX_BACKLOGS)]


#: The most points that one answer has for a queue.
MAX_POINTS = 2_000
#: The most queues of one question about the history. With all points the answer is half as large as the broker takes.
MAX_HISTORIES = 10


class HistoryQuery(MqsQuestion):
    """The gateway wants the history of queues of one workflow, for a plot."""

    kind: Literal["history"] = "history"
    mqids: Annotated[list[Mqid], Field(min_length=1, max_length=MAX_HISTORIES)]
    since: AwareDatetime
    until: AwareDatetime
    n_points: Annotated[int, Field(ge=1, le=MAX_POINTS)] = 300


class TaskProfilesQuery(MqsQuestion):
    """The gateway wants the queues of one taskforce's task and its pilots' token, for a TMS that polls over REST."""

    kind: Literal["task-profiles"] = "task-profiles"
    workflow_id: WorkflowId
    taskforce_uuid: TaskforceUuid
    inputs: list[Mqid]
    outputs: list[Mqid]


class ReserveQuery(MqsQuestion):
    """Another WMS wants names for a workflow's queues."""

    kind: Literal["reserve"] = "reserve"
    #: The site that owns the queues: the subject of the token with which that WMS called the gateway.
    site: str = ""
    workflow_id: WorkflowId
    queue_aliases: list[Alias]
    public: list[Alias]


class ActivateQuery(MqsQuestion):
    """Another WMS wants to activate the queues that it has reserved. `priority` is None if that WMS gave none."""

    kind: Literal["activate"] = "activate"
    site: str = ""
    workflow_id: WorkflowId
    priority: int | None


class GroupQuery(MqsQuestion):
    """Another WMS wants the state of a workflow's queues."""

    kind: Literal["group"] = "group"
    site: str = ""
    workflow_id: WorkflowId


class ProfileQuery(MqsQuestion):
    """Another WMS wants the profile of one queue. If the queue is active, the profile has a token."""

    kind: Literal["profile"] = "profile"
    site: str = ""
    mqid: Mqid


class ProfilesAnswer(Answer):
    """The profiles of the public queues in the order of the reservation, with their tokens."""

    kind: Literal["profiles"] = "profiles"
    profiles: list[MQProfile]


class GrantAnswer(Answer):
    """One token for all queues of the taskforce, and the broker's address (`user@host:port/vhost`)."""

    kind: Literal["grant"] = "grant"
    token: SecretStr
    expires_at: AwareDatetime
    broker_type: str
    broker_address: str
    #: The format that outputs must have in their queues.
    wire: Wire = Wire.EWMS
    #: The queues' aliases, by mqid.
    aliases: dict[str, str] = Field(default_factory=dict)


class Depth(BaseModel):
    """The broker's counts for one queue."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mqid: str
    alias: str
    is_public: bool
    n_ready: int
    n_unacknowledged: int
    #: How many events are put off: they failed, and come again for the next attempt.
    n_delayed: int = 0
    n_consumers: int
    #: How many events have ever come into the queue; None if unknown at the moment.
    n_arrived: int | None = None
    #: How many of the arrived events are dead letters that a replay sent back.
    n_replayed: int = 0
    #: How many events have certainly left the queue: acknowledged, or missing from a report that is recent enough.
    n_gone: int | None = None
    #: Whether the broker may not have counted the last arrivals yet, though nothing can arrive any more.
    may_grow: bool = False


class DepthsAnswer(Answer):
    """The depth of each queue of a workflow, in the order of the reservation, and the number of dead letters."""

    kind: Literal["depths"] = "depths"
    queues: list[Depth]
    n_dead: int
    #: How many events pilots or the broker gave up so far: the dead letters, and the discarded ones.
    n_failed: int = 0
    #: How old the numbers of queues that tasks take events from may be, in seconds.
    max_age_s: float = 6.0


class QueueBacklog(BaseModel):
    """The broker's counts for one queue, without its history."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    n_ready: int
    n_unacknowledged: int
    n_delayed: int
    n_consumers: int


class BacklogsAnswer(Answer):
    """The backlogs of the queues in the question, by mqid. Queues that do not exist are left out."""

    kind: Literal["backlogs"] = "backlogs"
    queues: dict[Mqid, QueueBacklog]


class QueuePoints(LazyModel):
    """The points of one queue's plot in columns, each point at the end of its stretch of time.

    Depths and the age of the oldest event are the highest of the stretch, rates are averages over it.
    """

    model_config = ConfigDict(extra="ignore")

    at_s: list[int] = Field(default_factory=list)
    n_ready: list[int] = Field(default_factory=list)
    n_unacknowledged: list[int] = Field(default_factory=list)
    n_delayed: list[int] = Field(default_factory=list)
    n_consumers: list[int] = Field(default_factory=list)
    oldest_s: list[int] = Field(default_factory=list)
    in_per_s: list[float] = Field(default_factory=list)
    out_per_s: list[float] = Field(default_factory=list)


class QueueHistory(BaseModel):
    """One queue with the points of its plot."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mqid: Mqid
    alias: Alias
    is_public: bool
    points: QueuePoints
    #: When MQS last counted the queue in the time of the plot; null: not in that time.
    sampled_at: AwareDatetime | None = None


class HistoryAnswer(Answer):
    """The histories of the queues of the question, in its order. Unknown queues are left out."""

    kind: Literal["history"] = "history"
    workflow_id: WorkflowId
    queues: list[QueueHistory]


class GroupAnswer(Answer):
    """A workflow's group of queues, and each queue in the order of the reservation. If asked for, with tokens."""

    kind: Literal["group"] = "group"
    group: MQGroup
    profiles: list[MQProfile]
