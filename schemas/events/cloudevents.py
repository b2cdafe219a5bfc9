"""The envelope of all control events between processes, and the base classes of payloads.

    {"specversion": "1.0", "id": "<uuid>", "source": "ewms/wms", "type": "ewms.taskforce.start",
     "subject": "TF-…", "time": "2026-11-21T08:00:00Z", "datacontenttype": "application/json",
     "dataschema": "ewms:taskforce.start:1", "traceparent": "00-…", "data": {…the payload…}}

A payload class registers itself at its definition, so a process that imports the class can parse its events. Readers
ignore unknown fields of a payload, so the next version can add fields. An unknown type or major version raises
`UnknownType`, and the bus parks the event. Source: CloudEvents 1.0 core and JSON format.
"""

from abc import abstractmethod
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PrivateAttr, SerializeAsAny, model_validator

from schemas.errors import Rejected
from schemas.ids import EventId, TaskforceUuid, WorkflowId
from schemas.lazy_model import LazyModel
from schemas.registry import register_class

PREFIX = "ewms."

#: Every payload class defined in this process, by the `type` of its events.
PAYLOADS: "dict[str, type[Payload]]" = {}


class UnknownType(Rejected):
    """The event has a type or a major version that this process does not know, or does not know yet."""


class Payload(LazyModel):
    """The content of an event. A class with a `TYPE` of its own is added to `PAYLOADS`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    TYPE: ClassVar[str]
    VERSION: ClassVar[int] = 1

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Add the class to `PAYLOADS`, unless it is only a base class."""
        super().__pydantic_init_subclass__(**kwargs)
        if "TYPE" in cls.__dict__:
            register_class(PAYLOADS, f"{PREFIX}{cls.TYPE}", cls)

    @property
    @abstractmethod
    def subject(self) -> str:
        """The id of the thing that the event is about."""

    @property
    @abstractmethod
    def routing_key(self) -> str:
        """The key by which the broker routes the event to queues."""


class Order(Payload):
    """An event from one service that tells one other service to do something. It goes into the inbox of `TO`.

    Its `TYPE` is `<noun>.<verb>`.
    """

    TO: ClassVar[str]

    @property
    def routing_key(self) -> str:
        """`<service>.<noun>.<verb>`; for a TMS the service includes the schedd."""
        return f"{self.TO}.{self.TYPE}"


class Fact(Payload):
    """A statement that something has happened, for all services that listen.

    Its `TYPE` is `fact.<noun>.<verb>`, which is also the routing key. Only the service `BY` can publish the fact,
    because only that service has the right on the broker. If no service listens for a fact, the broker drops it.
    """

    BY: ClassVar[str]

    @property
    def routing_key(self) -> str:
        """The key by which services listen for the fact."""
        return self.TYPE


class AboutWorkflow(Payload):
    """A payload about one workflow."""

    workflow_id: WorkflowId

    @property
    def subject(self) -> str:
        """The workflow's id."""
        return self.workflow_id


class AboutTaskforce(Payload):
    """A payload about one taskforce."""

    taskforce_uuid: TaskforceUuid

    @property
    def subject(self) -> str:
        """The taskforce's id."""
        return self.taskforce_uuid


class ControlEvent(BaseModel):
    """A payload in its envelope."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[EventId, Field(min_length=1, max_length=200)]
    source: Annotated[str, Field(min_length=1)]
    type: str
    subject: str
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    traceparent: str | None = None
    data: SerializeAsAny[Payload]

    #: The broker user who sent the event. The JSON does not have it. The broker checks this user, but not the `source`.
    _sender: str = PrivateAttr("")

    @model_validator(mode="before")
    @classmethod
    def _payload_of_its_type(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or isinstance(raw.get("data"), Payload):
            return raw
        if not isinstance(raw.get("type"), str):
            raise ValueError("an event has a type")
        payload = PAYLOADS.get(raw["type"])
        if payload is None or raw.get("dataschema") != schema_of(payload):
            raise UnknownType(f"unknown event type {raw.get('type')!r} with schema {raw.get('dataschema')!r}")
        return {**raw, "data": payload.model_validate(raw.get("data"))}

    @property
    def routing_key(self) -> str:
        """The key that routes the event to its inbox."""
        return self.data.routing_key

    @property
    def sender(self) -> str:
        """The broker user who sent the event; empty if the sender did not name itself."""
        return self._sender

    def with_sender(self, sender: str) -> Self:
        """Return a copy of the event with `sender` as its sender."""
        copy = self.model_copy()
        copy._sender = sender
        return copy


def list_fact_keys(service: str) -> list[str]:
    """Return the routing keys of all facts of `service` whose classes this process has imported."""
    facts = (payload for payload in PAYLOADS.values() if issubclass(payload, Fact))
    return sorted(fact.TYPE for fact in facts if service == fact.BY)


def schema_of(payload: type[Payload]) -> str:
    """Return the `dataschema` of a payload class: its type and its major version."""
    return f"ewms:{payload.TYPE}:{payload.VERSION}"


def build_event(
    payload: Payload, *, event_id: EventId, source: str, time: datetime, traceparent: str | None = None
) -> ControlEvent:
    """Return `payload` in an envelope: the event `event_id`, which `source` sends at `time` (aware, UTC)."""
    return ControlEvent(
        id=event_id,
        source=source,
        type=f"{PREFIX}{payload.TYPE}",
        subject=payload.subject,
        time=time,
        dataschema=schema_of(type(payload)),
        traceparent=traceparent,
        data=payload,
    )
