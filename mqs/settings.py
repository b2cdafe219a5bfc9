"""MQS's settings, read from the environment. The existing service's names are accepted beside ours."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr

from mqs.broker.orphans import Patience
from mqs.broker.topology import QueueLimits
from mqs.groups.admission import Budget
from mqs.groups.broker_steps import Rules
from mqs.tokens.grants import Audience
from runtime.settings import Port, StoreSettings
from schemas.rules.limits import MAX_WORKFLOW_QUEUES
from schemas.topology import RESOURCE_SERVER

Seconds = Annotated[float, Field(gt=0)]
Limit = Annotated[int, Field(ge=0)]


def _either_name(name: str, contract: str) -> AliasChoices:
    return AliasChoices(name, contract)


class MqsSettings(StoreSettings):
    """Settings of MQS. Units are in the names; a limit of 0 means no limit."""

    mongo_database: str = "MQS_DB"

    http_host: str = Field("127.0.0.1", validation_alias=_either_name("EWMS_HTTP_HOST", "REST_HOST"))
    http_port: Port = Field(0, validation_alias=_either_name("EWMS_HTTP_PORT", "REST_PORT"))

    #: The data vhost, as user `mqs`, and the management API with the same user's credentials.
    data_amqp_url: SecretStr
    rabbitmq_api_url: SecretStr
    #: Where users and pilots find the data vhost: `[user@]host:port/vhost`. A token's bearer may call itself anything.
    broker_address: str = Field(validation_alias=_either_name("EWMS_BROKER_ADDRESS", "BROKER_URL"))
    broker_user: str = Field("user", validation_alias=_either_name("EWMS_BROKER_USER", "BROKER_QUEUE_USERNAME"))
    broker_key_file: Path = Field(
        validation_alias=_either_name("EWMS_BROKER_KEY_FILE", "BROKER_QUEUE_AUTH_PRIVATE_KEY_FILE")
    )
    broker_public_key_file: Path = Field(
        validation_alias=_either_name("EWMS_BROKER_PUBLIC_KEY_FILE", "BROKER_QUEUE_AUTH_PUBLIC_KEY_FILE")
    )
    #: This service's URL as seen from outside; the tokens' issuer is below it.
    mqs_url: str = Field("http://127.0.0.1", validation_alias=_either_name("EWMS_MQS_URL", "HERE_URL"))
    user_token_life_s: Seconds = Field(
        86_400, validation_alias=_either_name("EWMS_USER_TOKEN_LIFE_S", "BROKER_QUEUE_AUTH_TOKEN_EXP")
    )
    #: The broker's id as an OAuth resource server; the type is the same unless it is given.
    broker_resource_server: str = Field(
        "", validation_alias=_either_name("EWMS_BROKER_RESOURCE_SERVER", "BROKER_RESOURCE_SERVER_ID")
    )
    broker_resource_type: str = Field(
        "", validation_alias=_either_name("EWMS_BROKER_RESOURCE_TYPE", "BROKER_RESOURCE_SERVER_TYPE")
    )
    #: Serve existing message clients, whose tokens are wider: see docs/queues.md.
    legacy_clients: bool = False
    #: TMS renews it at half of its life. Set it longer only where running pilots cannot fetch a renewed one (decision
    #: 0007).
    pilot_token_life_s: Seconds = 3_600

    budget_queues: Limit = 10_000
    budget_bytes: Limit = 0
    budget_connections: Limit = 0
    #: How many connections one user may have to the broker, whatever the number of tokens.
    user_connections: Limit = 100
    #: How much of the budget of queues one owner, a user or another site, may hold.
    owner_queues: Limit = MAX_WORKFLOW_QUEUES + 1
    #: How many bytes of events one owner may have on the broker; above it all its queues are full.
    owner_bytes: Limit = 16 * 1024**3
    aging_s: Seconds = 60
    patience_s: Seconds = 600

    queue_max_events: Annotated[int, Field(ge=1)] = 1_000_000
    queue_max_bytes: Annotated[int, Field(ge=1)] = 4 * 1024**3
    #: How long a consumer may hold one event: a day's task, and an hour.
    consumer_timeout_s: Annotated[float, Field(ge=60)] = 90_000
    #: The n-th attempt at a failing event waits n times this.
    event_retry_s: Seconds = 1
    event_retry_max_s: Seconds = 60

    #: How often the broker's quorum queues report what lies in them; its own default, `quorum_tick_interval`.
    broker_tick_s: Seconds = 5
    broker_retry_s: Seconds = 5
    deferred_retry_s: Seconds = 30
    retire_look_s: Seconds = 60
    retire_unused_s: Seconds = 600
    retire_retention_s: Seconds = 7 * 86_400
    #: How many dead letters a second are replayed at most.
    replay_per_s: Seconds = 500
    #: Time between the two looks at queues that give way to a waiting workflow.
    retire_settle_s: Seconds = 6
    #: How many failed attempts of one workflow are kept, the newest. They go after the retention time, too.
    max_failed_attempts: Annotated[int, Field(ge=1)] = 10_000
    remind_s: Seconds = 3600
    sample_s: Seconds = 15
    sweep_s: Seconds = 60
    orphan_grace_s: Seconds = 3600

    @property
    def profile_address(self) -> str:
        """The address that queue profiles print: `user@host:port/vhost`."""
        return self.broker_address if "@" in self.broker_address else f"{self.broker_user}@{self.broker_address}"

    @property
    def issuer(self) -> str:
        """The `iss` of broker tokens."""
        return f"{self.mqs_url.rstrip('/')}/mqbroker-issuer"

    @property
    def audience(self) -> Audience:
        """The audience of broker tokens."""
        server = self.broker_resource_server or RESOURCE_SERVER
        return Audience(server, self.broker_resource_type or server)

    @property
    def budget(self) -> Budget:
        """What the broker may carry."""
        return Budget(
            max_queues=self.budget_queues or None,
            max_bytes=self.budget_bytes or None,
            max_connections=self.budget_connections or None,
            max_owner_queues=self.owner_queues or None,
            max_owner_bytes=self.owner_bytes or None,
            aging=timedelta(seconds=self.aging_s),
            patience=timedelta(seconds=self.patience_s),
        )

    @property
    def rules(self) -> Rules:
        """How long groups wait."""
        return Rules(
            retry=timedelta(seconds=self.broker_retry_s),
            defer=timedelta(seconds=self.deferred_retry_s),
            look=timedelta(seconds=self.retire_look_s),
            unused=timedelta(seconds=self.retire_unused_s),
            retention=timedelta(seconds=self.retire_retention_s),
            settle=timedelta(seconds=self.retire_settle_s),
            remind=timedelta(seconds=self.remind_s),
            # A use is noted at most once per look.
            abandoned=timedelta(seconds=max(self.retire_retention_s, self.user_token_life_s + self.retire_look_s)),
        )

    @property
    def settle_s(self) -> float:
        """How old a queue's report can be: the time between two reports, and a second for a busy broker."""
        return self.broker_tick_s + 1.0

    @property
    def patience(self) -> Patience:
        """How long queues without a workflow are left alone."""
        return Patience(empty=timedelta(seconds=self.orphan_grace_s), full=timedelta(seconds=self.retire_retention_s))

    @property
    def limits(self) -> QueueLimits:
        """The limits that the policy sets for each queue."""
        return QueueLimits(
            max_events=self.queue_max_events,
            max_bytes=self.queue_max_bytes,
            consumer_timeout=timedelta(seconds=self.consumer_timeout_s),
            retry_step=timedelta(seconds=self.event_retry_s),
            retry_max=timedelta(seconds=self.event_retry_max_s),
        )
