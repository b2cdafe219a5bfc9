"""Questions to MQS about queues, and their answers. Tokens ride here, nowhere else on the bus."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from schemas.ids import Alias, Mqid, TaskforceUuid, WorkflowId
from schemas.objects import MQGroup, MQProfile
from schemas.payloads.legacy_wire import Wire
from schemas.questions import Answer, MqsQuestion


class ProfilesQuery(MqsQuestion):
    """The gateway wants the public queues of a workflow, with tokens for `subject`."""

    kind: Literal["profiles"] = "profiles"
    workflow_id: WorkflowId
    subject: str
    #: Only of a workflow that belongs to nobody here: one whose queues another WMS has reserved.
    unowned: bool = False


class GrantQuery(MqsQuestion):
    """A TMS wants the token with which a taskforce's pilots open their queues."""

    kind: Literal["grant"] = "grant"
    workflow_id: WorkflowId
    taskforce_uuid: TaskforceUuid
    inputs: list[Mqid]
    outputs: list[Mqid]
    #: How many pilots there are at once; MQS limits their connections by it. 0: not said, and no limit.
    n_workers: int = Field(default=0, ge=0)


class DepthsQuery(MqsQuestion):
    """The gateway wants to know how many events lie in the queues of a workflow."""

    kind: Literal["depths"] = "depths"
    workflow_id: WorkflowId


#: In one question: so many cost the broker some tens of milliseconds.
MAX_BACKLOGS = 200


class BacklogsQuery(MqsQuestion):
    """WMS wants to know what lies in queues, of whatever workflows: whether work waits in vain."""

    kind: Literal["backlogs"] = "backlogs"
    mqids: Annotated[list[Mqid], Field(max_length=MAX_BACKLOGS)]


class TaskProfilesQuery(MqsQuestion):
    """The gateway wants the queues of one taskforce's task, with its pilots' token, for a TMS served over REST."""

    kind: Literal["task-profiles"] = "task-profiles"
    workflow_id: WorkflowId
    taskforce_uuid: TaskforceUuid
    inputs: list[Mqid]
    outputs: list[Mqid]


class ReserveQuery(MqsQuestion):
    """Another WMS wants names for a workflow's queues."""

    kind: Literal["reserve"] = "reserve"
    #: Whose queues they are: the subject of the token with which that WMS called the gateway.
    site: str = ""
    workflow_id: WorkflowId
    queue_aliases: list[Alias]
    public: list[Alias]


class ActivateQuery(MqsQuestion):
    """Another WMS wants the queues that it has reserved; `priority` None: it does not say."""

    kind: Literal["activate"] = "activate"
    site: str = ""
    workflow_id: WorkflowId
    priority: int | None


class GroupQuery(MqsQuestion):
    """Another WMS wants to know how a workflow's queues stand."""

    kind: Literal["group"] = "group"
    site: str = ""
    workflow_id: WorkflowId


class ProfileQuery(MqsQuestion):
    """Another WMS wants one queue, with a token once it is active."""

    kind: Literal["profile"] = "profile"
    site: str = ""
    mqid: Mqid


class ProfilesAnswer(Answer):
    """The public profiles in reservation order, tokens included."""

    kind: Literal["profiles"] = "profiles"
    profiles: list[MQProfile]


class GrantAnswer(Answer):
    """One token for all queues of the taskforce, and where the broker is (`user@host:port/vhost`)."""

    kind: Literal["grant"] = "grant"
    token: SecretStr
    expires_at: AwareDatetime
    broker_type: str
    broker_address: str
    #: How the outputs are to lie in their queues.
    wire: Wire = Wire.EWMS
    #: What users call the queues, by mqid.
    aliases: dict[str, str] = Field(default_factory=dict)


class Depth(BaseModel):
    """One queue as the broker counts it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mqid: str
    alias: str
    is_public: bool
    n_ready: int
    n_unacknowledged: int
    #: Failed, and waiting for their next attempt.
    n_delayed: int = 0
    n_consumers: int
    #: How many events have ever come into it; None: that is not known (any more).
    n_arrived: int | None = None
    #: How many of these were dead letters that a replay sent back.
    n_replayed: int = 0
    #: How many have left it for sure: acknowledged, or missing from a report that is not too old.
    n_gone: int | None = None


class DepthsAnswer(Answer):
    """The depth of each queue of a workflow, in reservation order, and of its dead letters."""

    kind: Literal["depths"] = "depths"
    queues: list[Depth]
    n_dead: int
    #: How many events were given up for good so far: dead letters, and those that were thrown away.
    n_failed: int = 0
    #: How old the figures of unacknowledged and delayed events may be.
    max_age_s: float = 6.0


class QueueBacklog(BaseModel):
    """One queue as the broker counts it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    n_ready: int
    n_unacknowledged: int
    n_delayed: int
    n_consumers: int


class BacklogsAnswer(Answer):
    """What lies in the queues that were asked for, by their ids; those that do not exist are left out."""

    kind: Literal["backlogs"] = "backlogs"
    queues: dict[Mqid, QueueBacklog]


class GroupAnswer(Answer):
    """A workflow's queues as a group, and each of them in reservation order, with tokens where they were asked for."""

    kind: Literal["group"] = "group"
    group: MQGroup
    profiles: list[MQProfile]
