"""The services on the control vhost as data. Each service has one `ServiceSpec`, from which all the rest follows.

    ServiceSpec ──► its inbox and its queue of requests      `runtime.bus.inbox`, `runtime.bus.questions`
                ──► its rights on the broker                 `schemas.broker.topology.control_rights`
                ──► its broker user, tags and permissions    `deploy.local.servers.broker_definitions`
                ──► its MongoDB account                      `deploy.local.servers.mongo_accounts`

To add a service, add one spec to `SERVICES`. A service may have several instances: one TMS for each schedd, and the
step workers of each pool. All instances share one spec, and each instance has its own name on the broker: `tms.<encoded
schedd>`, `steps.<encoded pool>`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from schemas.errors import Broken


class Service(StrEnum):
    """The names of the services of this repository."""

    WMS = "wms"
    MQS = "mqs"
    TMS = "tms"
    #: The step workers of a pool.
    STEPS = "steps"


class AnswersBy(StrEnum):
    """The ways in which a service's answers reach the asker."""

    #: By RabbitMQ's direct reply-to. That needs the right to write to the default exchange, which reaches every inbox.
    DIRECT_REPLY = "direct-reply"
    #: By the exchange of requests, into a queue that the asker declares.
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """A service's names and rights on the broker, and its database."""

    #: The first word of all names of the service on the broker.
    name: str
    #: Whether the service has several instances, such as one TMS for each schedd: `<name>.<instance>`.
    is_instanced: bool = False
    #: Whether the service may declare the exchanges that all services share. Other services wait until these exist.
    declares_shared: bool = False
    #: Whether only one process at a time takes events from the inbox, even if several processes are connected.
    is_single_active: bool = False
    #: The services to whose inboxes this service may send; None means all services.
    may_address: frozenset[str] | None = frozenset()
    answers_by: AnswersBy = AnswersBy.EXCHANGE
    #: Whether several processes of the service answer its questions at once. Then they share one queue; otherwise the
    #: one process that answers has a queue of its own.
    shares_questions: bool = False
    #: Whether the service has all rights on the data vhost, where users' events are. Others need a token there.
    owns_data_vhost: bool = False
    #: Whether the service's queue belongs to a pool, whose step workers take `node.run`. Then it has no inbox.
    takes_steps: bool = False
    #: The facts that its inbox receives: routing keys, or patterns of them (`fact.workflow.*`).
    hears: tuple[str, ...] = ()
    #: Its user tags, which give it rights in the broker's management API.
    management_tags: tuple[str, ...] = ()
    #: The MongoDB database that only this service writes; None if the service has no state there.
    database: str | None = None


#: All services, by name. The broker's definitions and MongoDB's accounts have the same order.
SERVICES: dict[str, ServiceSpec] = {
    spec.name: spec
    for spec in (
        ServiceSpec(
            name=Service.WMS,
            declares_shared=True,
            may_address=None,
            shares_questions=True,
            database="WMS_DB",
        ),
        ServiceSpec(
            name=Service.MQS,
            declares_shared=True,
            may_address=None,
            answers_by=AnswersBy.DIRECT_REPLY,
            owns_data_vhost=True,
            # MQS sets the vhost's policy, and reads the depths of its queues and the number of connections.
            management_tags=("policymaker", "monitoring"),
            database="MQS_DB",
        ),
        ServiceSpec(
            name=Service.TMS,
            is_instanced=True,
            is_single_active=True,
            may_address=frozenset({Service.WMS}),
        ),
        ServiceSpec(
            name=Service.STEPS,
            is_instanced=True,
            takes_steps=True,
            may_address=frozenset({Service.WMS}),
        ),
    )
}


def spec_of(service: str) -> ServiceSpec:
    """Return the spec of `service`, which is a name on the broker: `wms`, `mqs`, `tms.<encoded schedd>`.

    Raises:
        Broken: no spec has that name.
    """
    spec = SERVICES.get(service.partition(".")[0])
    if spec is None:
        raise Broken(f"no service has the name {service!r}", hint="add its ServiceSpec to schemas/broker/services.py")
    return spec


def is_of_service(user: str, name: str) -> bool:
    """Return whether the broker user `user` is the service `name` or an instance of it."""
    spec = SERVICES.get(name)
    if spec is None:
        return False
    return user.startswith(f"{name}.") if spec.is_instanced else user == name


def list_service_users(instances: Iterable[str]) -> list[str]:
    """Return the broker users of all services. `instances` are the full names of the instances that exist."""
    by_service = list(instances)
    users: list[str] = []
    for spec in SERVICES.values():
        if spec.is_instanced:
            users += [user for user in by_service if is_of_service(user, spec.name)]
        else:
            users.append(spec.name)
    return users
