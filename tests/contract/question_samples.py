"""A sample of every question between services, and of every answer."""

from pydantic import SecretStr

from schemas.engine.subscriptions import (
    SubscriptionFilter,
    SubscriptionLifecycle,
)
from schemas.fleet.objects import MQGroup, MQProfile
from schemas.ids import (
    Alias,
    DefinitionHash,
    NodeKey,
    RunUuid,
)
from schemas.questions.bases import Answer, Question, Refusal, VersionAnswer, VersionQuery
from schemas.questions.queues import (
    ActivateQuery,
    BacklogsAnswer,
    BacklogsQuery,
    Depth,
    DepthsAnswer,
    DepthsQuery,
    GrantAnswer,
    GrantQuery,
    GroupAnswer,
    GroupQuery,
    HistoryAnswer,
    HistoryQuery,
    ProfileQuery,
    ProfilesAnswer,
    ProfilesQuery,
    QueueBacklog,
    QueueHistory,
    QueuePoints,
    ReserveQuery,
    TaskProfilesQuery,
)
from schemas.questions.registrations import RegistrationAnswer, RegistrationQuery
from schemas.questions.secrets import SecretsAnswer, SecretsQuery
from schemas.questions.step_code import (
    ActingUser,
    EvaluateResume,
    EvaluateStart,
    FormEvaluated,
    FormVerdict,
    GateRulesRead,
    ReadGateRules,
)
from schemas.questions.subscriptions import (
    ProductsAnswer,
    ProductsQuery,
    SubscriptionQuery,
    SubscriptionsAnswer,
    SubscriptionsQuery,
)
from tests.contract.sample_objects import (
    AT,
    ENROLLMENT,
    HITS,
    PRODUCT,
    SITE,
    SUBSCRIPTION,
    TASKFORCE,
    TRACKS,
    WORKFLOW,
)

REQUESTS: tuple[Question, ...] = (
    VersionQuery(),
    ProfilesQuery(workflow_id=WORKFLOW, subject="ada"),
    GrantQuery(workflow_id=WORKFLOW, taskforce_uuid=TASKFORCE, inputs=[HITS], outputs=[TRACKS], n_workers=8),
    DepthsQuery(workflow_id=WORKFLOW),
    HistoryQuery(mqids=[HITS, TRACKS], since=AT, until=AT, n_points=300),
    SecretsQuery(workflow_id=WORKFLOW, taskforce_uuid=TASKFORCE, names=("db-password",)),
    BacklogsQuery(mqids=[HITS, TRACKS]),
    TaskProfilesQuery(workflow_id=WORKFLOW, taskforce_uuid=TASKFORCE, inputs=[HITS], outputs=[TRACKS]),
    ReserveQuery(
        site=SITE, workflow_id=WORKFLOW, queue_aliases=[Alias("hits"), Alias("tracks")], public=[Alias("hits")]
    ),
    ActivateQuery(site=SITE, workflow_id=WORKFLOW, priority=60),
    GroupQuery(site=SITE, workflow_id=WORKFLOW),
    ProfileQuery(site=SITE, mqid=HITS),
    SubscriptionQuery(subscription_id=SUBSCRIPTION.subscription_id),
    SubscriptionsQuery(
        wanted=SubscriptionFilter(
            product_type="Node", statuses=(SubscriptionLifecycle.ACTIVE,), field="node_name", value="ams-1"
        ),
        after=SUBSCRIPTION.subscription_id,
    ),
    ProductsQuery(workflow=ENROLLMENT.name),
    RegistrationQuery(hashes=(DefinitionHash("ab" * 32),), products=("Node Enrollment",)),
    EvaluateStart(
        definition="create_node",
        definition_hash=DefinitionHash("ab" * 32),
        run_uuid=RunUuid("0b7c1c52-9a3e-4f0c-8f0e-2d9b8a6f4e11"),
        state={"reporter": "ada"},
        pages=({"product": "node"}, {"name": "ams-1"}),
        user=ActingUser(name="ada", roles=("org-member",)),
    ),
    EvaluateResume(
        definition="create_node",
        definition_hash=DefinitionHash("ab" * 32),
        run_uuid=RunUuid("0b7c1c52-9a3e-4f0c-8f0e-2d9b8a6f4e11"),
        node=NodeKey("3"),
        state={"name": "ams-1"},
        pages=({"approved_by": "bob"},),
        user=ActingUser(name="ada"),
        has_form=True,
    ),
    ReadGateRules(definition="create_node", definition_hash=DefinitionHash("ab" * 32)),
)


ANSWERS: tuple[Answer, ...] = (
    VersionAnswer(version="0.1.0"),
    SecretsAnswer(values={"db-password": SecretStr("only an answer has it")}),
    ProfilesAnswer(
        profiles=[
            MQProfile(
                mqid=HITS,
                workflow_id=WORKFLOW,
                timestamp=1795219615.31,
                alias=Alias("hits"),
                is_public=True,
                is_activated=True,
                auth_token="header.claims.signature",
                broker_type="rabbitmq",
                broker_address="user@broker.example.org:5672/ewms",
            )
        ]
    ),
    GrantAnswer(
        token=SecretStr("header.claims.signature"),
        expires_at=AT,
        broker_type="rabbitmq",
        broker_address="user@broker.example.org:5672/ewms",
        aliases={"a72475165e05b4f83a948": "in"},
    ),
    DepthsAnswer(
        queues=[
            Depth(mqid=HITS, alias="hits", is_public=True, n_ready=12, n_unacknowledged=8, n_consumers=8),
        ],
        n_dead=1,
    ),
    HistoryAnswer(
        workflow_id=WORKFLOW,
        queues=[
            QueueHistory(
                mqid=HITS,
                alias=Alias("hits"),
                is_public=True,
                points=QueuePoints(
                    at_s=[1795219615],
                    n_ready=[12],
                    n_unacknowledged=[8],
                    n_delayed=[0],
                    n_consumers=[8],
                    oldest_s=[30],
                    in_per_s=[2.5],
                    out_per_s=[1.0],
                ),
                sampled_at=AT,
            )
        ],
    ),
    BacklogsAnswer(queues={HITS: QueueBacklog(n_ready=12, n_unacknowledged=8, n_delayed=1, n_consumers=8)}),
    GroupAnswer(
        group=MQGroup(workflow_id=WORKFLOW, timestamp=1795219615.31, criteria={"priority": 60}),
        profiles=[
            MQProfile(
                mqid=HITS,
                workflow_id=WORKFLOW,
                timestamp=1795219615.31,
                alias=Alias("hits"),
                is_public=True,
                is_activated=False,
            )
        ],
    ),
    SubscriptionsAnswer(subscriptions=(SUBSCRIPTION,), has_more=True),
    ProductsAnswer(products=(PRODUCT,)),
    RegistrationAnswer(missing_hashes=(DefinitionHash("ab" * 32),), missing_products=("Node Enrollment",)),
    Refusal(code=404, error="no such workflow", hint="check the id"),
    FormEvaluated(
        verdict=FormVerdict.INCOMPLETE,
        form={"type": "object", "properties": {"name": {"type": "string"}}},
        meta={"hasNext": True},
    ),
    GateRulesRead(
        usable_map={"modify_node": ("active", "provisioning")},
        blocked_by_users={"modify_node": True},
        usable_out_of_sync=("modify_note",),
    ),
)
