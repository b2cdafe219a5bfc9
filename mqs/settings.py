"""The settings of MQS, from its environment. The existing service's names work too."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr, model_validator

from mqs.broker.orphans import Patience
from mqs.broker.topology import QueueLimits
from mqs.groups.admission import Budget
from mqs.groups.broker_steps import Rules
from mqs.tokens.grants import Audience
from runtime.hosts.host_list import parse_hosts
from runtime.settings import Port, StoreSettings
from schemas.broker.topology import EVENT_RETRY_MAX_S, EVENT_RETRY_S, RESOURCE_SERVER
from schemas.rules.limits import MAX_WORKFLOW_QUEUES

Seconds = Annotated[float, Field(gt=0)]
Limit = Annotated[int, Field(ge=0)]


def _either_name(name: str, contract: str) -> AliasChoices:
    return AliasChoices(name, contract)


class MqsSettings(StoreSettings):
    """Settings of MQS. Units are in the names; a limit of 0 means no limit."""

    mongo_database: str = "MQS_DB"

    http_host: str = Field("127.0.0.1", validation_alias=_either_name("EWMS_HTTP_HOST", "REST_HOST"))
    http_port: Port = Field(0, validation_alias=_either_name("EWMS_HTTP_PORT", "REST_PORT"))

    #: The URL of the data vhost with the user `mqs`, and the URL of the management API with the same user.
    data_amqp_url: SecretStr
    rabbitmq_api_url: SecretStr
    #: The address of the data vhost for users and pilots: `[user@]host:port/vhost`. With a token any user name works. A
    #: broker of several nodes has several hosts here and in the URLs: `one:5672,two:5672,three:5672/vhost`.
    broker_address: str = Field(validation_alias=_either_name("EWMS_BROKER_ADDRESS", "BROKER_URL"))
    broker_user: str = Field("user", validation_alias=_either_name("EWMS_BROKER_USER", "BROKER_QUEUE_USERNAME"))
    broker_key_file: Path = Field(
        validation_alias=_either_name("EWMS_BROKER_KEY_FILE", "BROKER_QUEUE_AUTH_PRIVATE_KEY_FILE")
    )
    broker_public_key_file: Path = Field(
        validation_alias=_either_name("EWMS_BROKER_PUBLIC_KEY_FILE", "BROKER_QUEUE_AUTH_PUBLIC_KEY_FILE")
    )
    #: This service's URL from outside. The tokens' issuer is a path below it.
    mqs_url: str = Field("http://127.0.0.1", validation_alias=_either_name("EWMS_MQS_URL", "HERE_URL"))
    user_token_life_s: Seconds = Field(
        86_400, validation_alias=_either_name("EWMS_USER_TOKEN_LIFE_S", "BROKER_QUEUE_AUTH_TOKEN_EXP")
    )
    #: The broker's id as an OAuth resource server. The type is the same, unless it is set.
    broker_resource_server: str = Field(
        "", validation_alias=_either_name("EWMS_BROKER_RESOURCE_SERVER", "BROKER_RESOURCE_SERVER_ID")
    )
    broker_resource_type: str = Field(
        "", validation_alias=_either_name("EWMS_BROKER_RESOURCE_TYPE", "BROKER_RESOURCE_SERVER_TYPE")
    )
    #: Whether to serve existing message clients. Their tokens have more rights: see docs/queues.md.
    legacy_clients: bool = False
    #: How long a pilot's token lives. TMS renews it at half of its life. Set it longer only if running pilots cannot
    #: fetch a renewed token (decision 0007).
    pilot_token_life_s: Seconds = 3_600

    budget_queues: Limit = 10_000
    budget_bytes: Limit = 0
    budget_connections: Limit = 0
    #: How many connections one user may have to the broker, with all tokens together.
    user_connections: Limit = 100
    #: How many queues one owner may hold. An owner is a user or another site.
    owner_queues: Limit = MAX_WORKFLOW_QUEUES + 1
    #: How many bytes of events one owner may have on the broker. Above it all its queues are full.
    owner_bytes: Limit = 16 * 1024**3
    aging_s: Seconds = 60
    patience_s: Seconds = 600

    queue_max_events: Annotated[int, Field(ge=1)] = 1_000_000
    queue_max_bytes: Annotated[int, Field(ge=1)] = 4 * 1024**3
    #: How long a consumer may hold one event: a task of a day, and one more hour.
    consumer_timeout_s: Annotated[float, Field(ge=60)] = 90_000
    #: The n-th attempt at a failing event waits n times this.
    event_retry_s: Seconds = EVENT_RETRY_S
    event_retry_max_s: Seconds = EVENT_RETRY_MAX_S

    #: How often the broker's quorum queues report their counts. This is the broker's default of `quorum_tick_interval`.
    broker_tick_s: Seconds = 5
    broker_retry_s: Seconds = 5
    deferred_retry_s: Seconds = 30
    retire_look_s: Seconds = 60
    retire_unused_s: Seconds = 600
    retire_retention_s: Seconds = 7 * 86_400
    #: How many dead letters MQS replays a second at most, for all workflows together.
    replay_per_s: Seconds = 500
    #: The time between the two looks at queues that give way to a waiting workflow.
    retire_settle_s: Seconds = 6
    #: How many failed attempts of one workflow MQS keeps: the newest. It also deletes them after the retention time.
    max_failed_attempts: Annotated[int, Field(ge=1)] = 10_000
    #: How many attempts at traced events that ended well MQS keeps of one workflow: the newest.
    max_done_attempts: Annotated[int, Field(ge=1)] = 2_000
    remind_s: Seconds = 3600
    sample_s: Seconds = 15
    sweep_s: Seconds = 60
    orphan_grace_s: Seconds = 3600

    @model_validator(mode="after")
    def _existing_clients_know_one_host(self) -> "MqsSettings":
        if self.legacy_clients and "," in self.broker_address:
            raise ValueError(
                "EWMS_BROKER_ADDRESS has several hosts, and existing message clients (EWMS_LEGACY_CLIENTS) read one: "
                "name the address of a load balancer"
            )
        return self

    @property
    def profile_address(self) -> str:
        """The address that queue profiles print: `user@host:port/vhost`, or `amqps://user@host:port/vhost` with TLS."""
        parts = parse_hosts(self.broker_address)
        return self.broker_address if parts.login else replace(parts, login=self.broker_user).join_parts()

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
        """Return the limits of the broker. None means no limit."""
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
        """Return the times and intervals of groups."""
        return Rules(
            retry=timedelta(seconds=self.broker_retry_s),
            defer=timedelta(seconds=self.deferred_retry_s),
            look=timedelta(seconds=self.retire_look_s),
            unused=timedelta(seconds=self.retire_unused_s),
            retention=timedelta(seconds=self.retire_retention_s),
            settle=timedelta(seconds=self.retire_settle_s),
            remind=timedelta(seconds=self.remind_s),
            # MQS notes a use at most once in `retire_look_s`.
            abandoned=timedelta(seconds=max(self.retire_retention_s, self.user_token_life_s + self.retire_look_s)),
        )

    @property
    def settle_s(self) -> float:
        """How many seconds old a queue's report can be: the time between two reports, and 1 s for a busy broker."""
        return self.broker_tick_s + 1.0

    @property
    def patience(self) -> Patience:
        """How long MQS keeps queues without a workflow."""
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
