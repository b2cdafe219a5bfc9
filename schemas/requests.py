"""Questions that want an answer at once: to MQS, and to a TMS (`logs.py`). Tokens ride here, nowhere else on the bus.

Nothing of this is persisted: a question whose answer was lost is asked again. Who asks is the AMQP user that the
broker has checked (`user_id`), not something that the question claims.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter

from schemas.failures.dead_letters import (
    LetterAnswer,
    LetterAuditAnswer,
    LetterAuditQuery,
    LetterBodyAnswer,
    LetterBodyQuery,
    LetterGroupsAnswer,
    LetterGroupsQuery,
    LetterQuery,
    LettersAnswer,
    LettersDone,
    LettersOrder,
    LettersQuery,
)
from schemas.failures.history import AttemptsAnswer, AttemptsQuery, ErrorGroupsAnswer, ErrorGroupsQuery
from schemas.ids import Alias, Mqid, TaskforceUuid, WorkflowId
from schemas.logs import LogAnswer, LogQuery, LogsAnswer, LogsQuery
from schemas.objects import MQGroup, MQProfile
from schemas.payloads.legacy_wire import Wire


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ProfilesQuery(_Closed):
    """The gateway wants the public queues of a workflow, with tokens for `subject`."""

    kind: Literal["profiles"] = "profiles"
    workflow_id: WorkflowId
    subject: str
    #: Only of a workflow that belongs to nobody here: one whose queues another WMS has reserved.
    unowned: bool = False


class GrantQuery(_Closed):
    """A TMS wants the token with which a taskforce's pilots open their queues."""

    kind: Literal["grant"] = "grant"
    workflow_id: WorkflowId
    taskforce_uuid: TaskforceUuid
    inputs: list[Mqid]
    outputs: list[Mqid]
    #: How many pilots there are at once; MQS limits their connections by it. 0: not said, and no limit.
    n_workers: int = Field(default=0, ge=0)


class DepthsQuery(_Closed):
    """The gateway wants to know how many events lie in the queues of a workflow."""

    kind: Literal["depths"] = "depths"
    workflow_id: WorkflowId


#: In one question: so many cost the broker some tens of milliseconds.
MAX_BACKLOGS = 200


class BacklogsQuery(_Closed):
    """WMS wants to know what lies in queues, of whatever workflows: whether work waits in vain."""

    kind: Literal["backlogs"] = "backlogs"
    mqids: Annotated[list[Mqid], Field(max_length=MAX_BACKLOGS)]


class TaskProfilesQuery(_Closed):
    """The gateway wants the queues of one taskforce's task, with its pilots' token, for a TMS served over REST."""

    kind: Literal["task-profiles"] = "task-profiles"
    workflow_id: WorkflowId
    taskforce_uuid: TaskforceUuid
    inputs: list[Mqid]
    outputs: list[Mqid]


class ReserveQuery(_Closed):
    """Another WMS wants names for a workflow's queues."""

    kind: Literal["reserve"] = "reserve"
    #: Whose queues they are: the subject of the token with which that WMS called the gateway.
    site: str = ""
    workflow_id: WorkflowId
    queue_aliases: list[Alias]
    public: list[Alias]


class ActivateQuery(_Closed):
    """Another WMS wants the queues that it has reserved; `priority` None: it does not say."""

    kind: Literal["activate"] = "activate"
    site: str = ""
    workflow_id: WorkflowId
    priority: int | None


class GroupQuery(_Closed):
    """Another WMS wants to know how a workflow's queues stand."""

    kind: Literal["group"] = "group"
    site: str = ""
    workflow_id: WorkflowId


class ProfileQuery(_Closed):
    """Another WMS wants one queue, with a token once it is active."""

    kind: Literal["profile"] = "profile"
    site: str = ""
    mqid: Mqid


AnyRequest = (
    ProfilesQuery
    | GrantQuery
    | DepthsQuery
    | BacklogsQuery
    | TaskProfilesQuery
    | ReserveQuery
    | ActivateQuery
    | GroupQuery
    | ProfileQuery
    | AttemptsQuery
    | ErrorGroupsQuery
    | LettersQuery
    | LetterGroupsQuery
    | LetterQuery
    | LetterBodyQuery
    | LettersOrder
    | LetterAuditQuery
    | LogsQuery
    | LogQuery
)


class ProfilesAnswer(_Closed):
    """The public profiles in reservation order, tokens included."""

    kind: Literal["profiles"] = "profiles"
    profiles: list[MQProfile]


class GrantAnswer(_Closed):
    """One token for all queues of the taskforce, and where the broker is (`user@host:port/vhost`)."""

    kind: Literal["grant"] = "grant"
    token: SecretStr
    expires_at: AwareDatetime
    broker_type: str
    broker_address: str
    #: How the outputs are to lie in their queues.
    wire: Wire = Wire.EWMS
    #: What users call the queues, by mqid.
    aliases: dict[str, str] = {}


class Depth(_Closed):
    """One queue as the broker counts it."""

    mqid: str
    alias: str
    is_public: bool
    n_ready: int
    n_unacknowledged: int
    #: Failed, and waiting for their next attempt.
    n_delayed: int = 0
    n_consumers: int
    #: How many events have ever come into it; None: the broker does not count them.
    n_arrived: int | None = None


class DepthsAnswer(_Closed):
    """The depth of each queue of a workflow, in reservation order, and of its dead letters."""

    kind: Literal["depths"] = "depths"
    queues: list[Depth]
    n_dead: int
    #: How old the figures of unacknowledged and delayed events may be.
    max_age_s: float = 6.0


class QueueBacklog(_Closed):
    """One queue as the broker counts it."""

    n_ready: int
    n_unacknowledged: int
    n_delayed: int
    n_consumers: int


class BacklogsAnswer(_Closed):
    """What lies in the queues that were asked for, by their ids; those that do not exist are left out."""

    kind: Literal["backlogs"] = "backlogs"
    queues: dict[Mqid, QueueBacklog]


class GroupAnswer(_Closed):
    """A workflow's queues as a group, and each of them in reservation order, with tokens where they were asked for."""

    kind: Literal["group"] = "group"
    group: MQGroup
    profiles: list[MQProfile]


class Refusal(_Closed):
    """The question cannot be answered: `code` names the error family."""

    kind: Literal["refusal"] = "refusal"
    code: int
    error: str
    hint: str = ""


AnyAnswer = (
    ProfilesAnswer
    | GrantAnswer
    | DepthsAnswer
    | BacklogsAnswer
    | GroupAnswer
    | AttemptsAnswer
    | ErrorGroupsAnswer
    | LettersAnswer
    | LetterGroupsAnswer
    | LetterAnswer
    | LetterBodyAnswer
    | LettersDone
    | LetterAuditAnswer
    | LogsAnswer
    | LogAnswer
    | Refusal
)

REQUEST: TypeAdapter[AnyRequest] = TypeAdapter(Annotated[AnyRequest, Field(discriminator="kind")])
ANSWER: TypeAdapter[AnyAnswer] = TypeAdapter(Annotated[AnyAnswer, Field(discriminator="kind")])
