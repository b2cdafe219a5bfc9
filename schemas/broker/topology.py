"""The broker as data: vhosts, exchanges, queues, bindings, routing keys, and the rights in tokens.

ewms-control   topic exchange `ewms.control` -> `wms.inbox`, `mqs.inbox`, `tms.<schedd>.inbox`, `steps.<pool>`
               topic exchange `ewms.facts` -> the inboxes of the services that receive a fact
               each inbox with `<inbox>.dead` (undeliverable) and `<inbox>.parked` (types not known yet),
               fed by the direct exchange `<service>.aside`; requests: `ewms.requests` -> `<service>.requests`, or
               `<service>.requests.<random>` if only one process of the service answers
ewms           per queue:     direct exchange `x.<mqid>` -> quorum queue `<mqid>`
               per workflow:  queue `dead.<workflow_id>`, fed by `x.dead.<workflow_id>` (the pilots' own dead
                              letters) and by the vhost's one headers exchange `dead` (the broker's)
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from schemas.broker.services import AnswersBy, Service, spec_of
from schemas.ids import RESULTS_MARK, Mqid, WorkflowId

CONTROL_VHOST = "ewms-control"
DATA_VHOST = "ewms"
CONTROL_EXCHANGE = "ewms.control"

#: Services publish facts on this exchange, with keys `fact.<noun>.<verb>`. A service binds its inbox to get a fact.
FACTS_EXCHANGE = "ewms.facts"

#: The exchange for the broker's own dead letters of all queues. Each queue has a binding on the header that the broker
#: sets. No publisher can forge that header: `all-with-x` compares `x-` headers, and the broker overwrites this one.
DEAD_EXCHANGE = "dead"
DEAD_BINDING_HEADER = "x-first-death-queue"

#: The policy of the data vhost, and the pattern of its queues. Queues from which only users take events have another
#: policy with a higher priority: there, a lost connection of a user's program does not count against an event. See
#: `schemas.ids.RESULTS_MARK`.
POLICY_NAME = "ewms-events"
POLICY_PATTERN = r"^a[0-9a-f]{20}$"
RESULTS_POLICY_NAME = "ewms-results"
RESULTS_POLICY_PATTERN = rf"^a[0-9a-f]{{18}}{RESULTS_MARK:02x}$"

#: The limits of attempts, queues and events (rulings 5 and 14). Sizes in bytes.
MAX_ATTEMPTS = 5
DELIVERY_LIMIT = 15
#: A failed event waits before its next attempt: after n attempts n times the first number of seconds, and at most the
#: second one. Operators can set other numbers (`EWMS_EVENT_RETRY_S`, `EWMS_EVENT_RETRY_MAX_S`).
EVENT_RETRY_S, EVENT_RETRY_MAX_S = 1, 60
MAX_EVENT_BYTES = 4 * 1024 * 1024
INBOX_DELIVERY_LIMIT = 20

#: The direct exchange for requests: it routes by the service's name to the service's queue of requests. It is separate
#: because `mqs.requests` as a key on the topic exchange would match the inbox, too. A service answers by direct
#: reply-to, or over the same exchange into a queue of the asker: `ServiceSpec.answers_by`.
REQUESTS_EXCHANGE = "ewms.requests"
DIRECT_REPLY_TO = "amq.rabbitmq.reply-to"

#: The name that rights use for the default exchange, which reaches every queue of a vhost by the queue's name.
DEFAULT_EXCHANGE = "amq.default"

#: The OAuth resource server, which is also the tokens' audience.
RESOURCE_SERVER = "ewms"


class Aside(StrEnum):
    """Why a service set an event aside. The value is the routing key on the service's aside exchange."""

    DEAD = "dead"
    PARKED = "parked"


_UNSAFE_IN_A_KEY = re.compile(rb"[^A-Za-z0-9_-]")


def encode_schedd(schedd: str) -> str:
    """Return `schedd` as one word of a routing key. Other bytes become `+XX`, so no dot splits the key.

    The escape is `+` and not the usual `%`, because aio-pika refuses `%` in names, and OAuth scopes expand `%`.
    """
    return _encode_word(schedd)


def encode_pool(pool: str) -> str:
    """Return the name of a pool of step workers as one word of a routing key."""
    return _encode_word(pool)


def _encode_word(name: str) -> str:
    return _UNSAFE_IN_A_KEY.sub(lambda m: b"+%02X" % m[0][0], name.encode()).decode()


def pool_service(pool: str) -> str:
    """Return the broker user of a pool's step workers. Their queue has the same name."""
    return f"{Service.STEPS}.{encode_pool(pool)}"


def worker_address(pool: str, worker: str) -> str:
    """Return the address at which a step worker of `pool` answers questions: `steps.<pool>.<worker>`, both names
    encoded.
    """
    return f"{pool_service(pool)}.{_encode_word(worker)}"


def user_at(address: str) -> str:
    """Return the broker user who answers at `address`. All step workers of a pool are one user."""
    service, _, rest = address.partition(".")
    return f"{service}.{rest.partition('.')[0]}" if service == Service.STEPS and rest else address


def tms_service(schedd: str) -> str:
    """Return the name of `schedd`'s TMS on the bus: its broker user, and the prefix of its inbox and its keys."""
    return f"{Service.TMS}.{encode_schedd(schedd)}"


def inbox_queue(service: str) -> str:
    """Return the name of the queue from which `service` (`wms`, `mqs`, `tms.<encoded schedd>`) takes its events."""
    return f"{service}.inbox"


def requests_queue(service: str) -> str:
    """Return the name of the queue from which all processes of `service` take requests."""
    return f"{service}.requests"


def own_requests_queue(service: str, name: str) -> str:
    """Return the name of the queue from which one process of `service` takes requests. `name` is new each time."""
    return f"{requests_queue(service)}.{name}"


def answers_queue(service: str, name: str) -> str:
    """Return the name of a queue for answers to `service`. `name` is random, so that it cannot be guessed."""
    return f"{service}.answers.{name}"


def is_answers_queue(name: str, service: str) -> bool:
    """Return whether `name` is a queue for answers that only `service` may declare."""
    return name.startswith(answers_queue(service, ""))


def dead_inbox(service: str) -> str:
    """Return the name of the queue of the events that `service` could not handle."""
    return f"{inbox_queue(service)}.dead"


def parked_inbox(service: str) -> str:
    """Return the name of the queue of events whose types this version of `service` does not know."""
    return f"{inbox_queue(service)}.parked"


def aside_exchange(service: str) -> str:
    """Return the name of the direct exchange through which `service` sets events aside, by the keys of `Aside`."""
    return f"{service}.aside"


def seal_queue(owner: str, name: str) -> str:
    """Return the name of a seal: an empty queue. To declare it makes the broker write earlier declarations to disk.

    `owner` is the service that declares the seal. On the control vhost, a service may only declare names of its own.
    """
    return f"{owner}.seal.{name}"


def pool_guard(pool: str) -> str:
    """Return the name of the exchange to which the queue of `pool` is bound before it can receive orders."""
    return f"{pool_service(pool)}.guard"


def mending_queue(queue: str) -> str:
    """Return the name of the exclusive queue of the process that makes `queue` anew. Others cannot declare it then."""
    return f"{queue}.mending"


def inbox_pattern(service: str) -> str:
    """Return the key with which the inbox of `service` is bound."""
    return f"{service}.#"


@dataclass(frozen=True, slots=True)
class Rights:
    """A user's rights in a vhost: the broker's regular expressions for names of queues and exchanges."""

    configure: str
    write: str
    read: str
    #: A pattern of the routing keys with which the user may publish on the topic exchange `ewms.control`.
    topic_write: str


def control_rights(service: str) -> Rights:
    """Return the rights on the control vhost of the broker user `service` (`wms`, `mqs`, `tms.<encoded schedd>`).

    A service owns the names with its own prefix. Its `ServiceSpec` decides the other rights: whether the service
    declares the shared exchanges, to whose inboxes it may send, and whether it answers over the default exchange.
    """
    spec = spec_of(service)
    # The queue of a pool has the pool's own name.
    own = rf"{re.escape(service)}(\..*)?" if spec.takes_steps else rf"{re.escape(service)}\..*"
    shared = r"ewms\.(control|facts|requests)"
    answers = r"|amq\.default" if spec.answers_by is AnswersBy.DIRECT_REPLY else ""
    return Rights(
        configure=rf"^({own}|{shared})$" if spec.declares_shared else rf"^{own}$",
        write=rf"^({own}|{shared}{answers})$",
        read=rf"^({own}|{shared})$",
        topic_write=_inboxes_pattern(spec.may_address),
    )


def _inboxes_pattern(services: frozenset[str] | None) -> str:
    if services is None:
        return ".*"
    return rf"^({'|'.join(map(re.escape, sorted(services)))})\..*$" if services else "^$"


def event_exchange(mqid: Mqid) -> str:
    """Return the name of the only exchange that leads to the queue `mqid`."""
    return f"x.{mqid}"


def dead_queue(workflow_id: WorkflowId) -> str:
    """Return the name of the queue of the workflow's dead letters."""
    return f"dead.{workflow_id}"


def is_dead_queue(queue: str) -> bool:
    """Return whether `queue` is a queue of dead letters."""
    return queue.startswith(dead_queue(WorkflowId("")))


def dead_exchange(workflow_id: WorkflowId) -> str:
    """Return the name of the exchange to which the workflow's pilots publish the events that they give up."""
    return f"x.dead.{workflow_id}"


def oauth_scope(action: str, name: str, server: str = RESOURCE_SERVER) -> str:
    """Return the OAuth scope that allows `action` (configure, read, write) on the queue or exchange `name`."""
    return f"{server}.{action}:{DATA_VHOST}/{name}"
