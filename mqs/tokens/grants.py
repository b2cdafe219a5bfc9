"""Decide who may read or write which queue, and state it as the claims of a broker token. (core)

A token names exchanges to write to and queues to read from. It never allows `configure`, or the default exchange, which
reaches every queue of the vhost. The only exception is a deployment for existing message clients, which need both. A
token states each right twice: as a plain scope, which every version of the broker reads, and as an
`authorization_details` entry (RFC 9396), which existing tools expect.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from schemas.broker.queue_format import WIRE_CLAIM, Wire
from schemas.broker.services import Service
from schemas.broker.token_sizes import rights_bytes
from schemas.broker.topology import (
    DATA_VHOST,
    DEFAULT_EXCHANGE,
    dead_exchange,
    event_exchange,
    oauth_scope,
    tms_service,
)
from schemas.errors import Conflict, Forbidden, NotFound, Unavailable
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Mqid, TaskforceUuid, WorkflowId, workflow_of
from schemas.questions.queues import GrantQuery, TaskProfilesQuery

#: `nbf` is this much earlier than now, so that a broker with a slow clock accepts the token.
CLOCK_SKEW = timedelta(seconds=60)

#: The pattern of the subjects of pilots' tokens.
PILOTS = re.compile(r"wf/(?P<workflow>[^/]+)/tf/[^/]+")
_SPARE_CONNECTIONS = 20

_CONFIGURE = "configure"
_READ = "read"
_WRITE = "write"

_QUEUE = "queue"
_EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True)
class Audience:
    """The broker in OAuth's terms: the id of its resource server, and its type of `authorization_details`."""

    server: str
    kind: str


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights of `subject` on the data vhost."""

    subject: str
    reads: tuple[Mqid, ...] = ()
    #: Exchanges to publish to.
    writes: tuple[str, ...] = ()
    #: Queues that the bearer uses like an existing message client: it declares them, reads them, and publishes by name.
    by_name: tuple[Mqid, ...] = ()
    #: Whether the bearer may publish by name. That reaches even a queue that is shut for all others.
    publishes_by_name: bool = True
    #: The broker's tags: the bearer's rights in the management API.
    tags: tuple[str, ...] = ()

    @property
    def rights(self) -> tuple[tuple[str, str, str], ...]:
        """Every right as (action, kind of object, name)."""
        published = self.by_name if self.publishes_by_name else ()
        every = (
            *((_CONFIGURE, _QUEUE, mqid) for mqid in self.by_name),
            *((_READ, _QUEUE, mqid) for mqid in (*self.reads, *self.by_name)),
            *((_WRITE, _QUEUE, mqid) for mqid in published),
            *((_WRITE, _EXCHANGE, exchange) for exchange in self.writes),
            *(((_WRITE, _EXCHANGE, DEFAULT_EXCHANGE),) if published else ()),
        )
        return tuple(dict.fromkeys(every))


def user_grant(profile: MQProfileDocument, subject: str) -> Grant:
    """Return a user's rights on a public queue: to publish onto an input, or to consume from an output.

    The subject is the user's own, because the broker does not replace a token by one with another subject.
    """
    return Grant(
        subject=f"user/{subject}",
        reads=(profile.mqid,) if profile.is_output else (),
        writes=(event_exchange(profile.mqid),) if profile.is_input else (),
    )


def count_pilot_connections(query: GrantQuery) -> int:
    """Return how many connections the pilots of a taskforce may have together. 0 means no limit.

    A pilot needs at most one connection for each input, because a connection has few channels. Pilots may have twice as
    many as they need: the broker notices late that a worker has ended, and its successor connects meanwhile.
    """
    if not query.n_workers:
        return 0
    return _SPARE_CONNECTIONS + 2 * max(1, len(query.inputs)) * query.n_workers


def limits_grant() -> Grant:
    """Return the grant for the token with which MQS limits users. It may administer the broker, but not enter a
    vhost.
    """
    return Grant(subject="mqs/limits", tags=("administrator",))


def pilot_grant(
    group: MQGroupDocument | None, profiles: Sequence[MQProfileDocument], query: GrantQuery, *, caller: str
) -> Grant:
    """Return the rights of a taskforce's pilots: take events from inputs, publish onto outputs, publish dead letters.

    Raises:
        Forbidden: `caller` is not a TMS of this workflow, or `query` names queues of another workflow. Both have the
            same error, so that a stranger cannot find out what exists.
        Unavailable: the queues are not active yet.
        Conflict: the workflow is over.
    """
    if group is None or caller not in {tms_service(schedd) for schedd in group.schedds}:
        raise Forbidden
    return task_grant(group, profiles, query)


def task_grant(
    group: MQGroupDocument | None, profiles: Sequence[MQProfileDocument], query: GrantQuery | TaskProfilesQuery
) -> Grant:
    """Return the same rights as `pilot_grant`. Do not check the caller: WMS asks for a TMS that works over REST.

    Raises:
        Forbidden, Unavailable, Conflict: as `pilot_grant`.
    """
    if group is None or _workflow_of(query.taskforce_uuid) != group.workflow_id:
        raise Forbidden
    known = {profile.mqid: profile for profile in profiles}
    if not all(mqid in known and known[mqid].is_input for mqid in query.inputs):
        raise Forbidden("an input is not a queue that tasks of this workflow take events from")
    if not all(mqid in known and known[mqid].is_output for mqid in query.outputs):
        raise Forbidden("an output is not a queue that tasks of this workflow publish to")
    match group.state:
        case GroupState.RESERVED:
            raise Unavailable("the workflow's queues are not active yet")
        case GroupState.RETIRING | GroupState.RETIRED:
            raise Conflict("the workflow is over")
        case GroupState.ACTIVE:
            pass
        case _:
            raise Unavailable(f"the workflow's queues are in a state that this version does not know: {group.state}")
    return Grant(
        subject=f"wf/{group.workflow_id}/tf/{query.taskforce_uuid}",
        reads=tuple(dict.fromkeys(query.inputs)),
        writes=(
            *(event_exchange(mqid) for mqid in dict.fromkeys(query.outputs)),
            dead_exchange(group.workflow_id),
        ),
    )


def service_grant(profile: MQProfileDocument) -> Grant:
    """Return the grant for one queue of another WMS, which passes the token on to its pilots and users."""
    return Grant(subject=f"wf/{profile.workflow_id}", reads=(profile.mqid,), writes=(event_exchange(profile.mqid),))


def widen_for_existing_clients(grant: Grant, mqids: Iterable[Mqid], *, shut: bool = False) -> Grant:
    """Return `grant` with the further rights that old message clients need for the queues `mqids`.

    If the queues are `shut`, the grant may not publish. Otherwise the broker would confirm events that no task takes.

    Old clients declare a queue whenever they open a channel, and publish over the default exchange. So the holder of
    the token can publish onto every queue of the vhost whose name it knows, and can take and delete the queues `mqids`.
    Source: contract, 5.1 and 6.
    """
    return replace(grant, by_name=tuple(dict.fromkeys(mqids)), publishes_by_name=not shut)


def check_gateway(caller: str) -> None:
    """Check that `caller` is WMS. WMS asks for users, and has checked their rights.

    Raises:
        Forbidden: the caller is another service.
    """
    if caller != Service.WMS:
        raise Forbidden


def check_site(group: MQGroupDocument | None, site: str, *, missing: str) -> None:
    """Check that the WMS of `site` has reserved `group`. A group of our own users belongs to no site.

    Raises:
        NotFound: the group does not exist, or another WMS has made it. Both have the text `missing`.
    """
    if group is None or group.owner or not site or group.site != site:
        raise NotFound(missing)


def token_claims(
    grant: Grant, *, issuer: str, audience: Audience, now: datetime, life: timedelta, token_id: str
) -> dict[str, Any]:
    """Return the claims of a token for `grant`. Times are whole seconds since 1970."""
    issued = int(now.timestamp())
    rights = grant.rights
    said: dict[str, Any] = {
        "iss": issuer,
        "sub": grant.subject,
        "aud": [audience.server],
        "iat": issued,
        "nbf": issued - int(CLOCK_SKEW.total_seconds()),
        "exp": issued + int(life.total_seconds()),
        "jti": token_id,
        "scope": " ".join(
            [
                *(oauth_scope(action, name, audience.server) for action, _, name in rights),
                *(f"{audience.server}.tag:{tag}" for tag in grant.tags),
            ]
        ),
    }
    if grant.by_name:
        said[WIRE_CLAIM] = Wire.LEGACY.value
    # State the rights twice if both fit. Either way is enough for the broker, and scopes are shorter.
    details = _authorization_details(rights, audience)
    if len(said["scope"]) + len(json.dumps(details)) <= rights_bytes(audience.server):
        said["authorization_details"] = details
    return said


def _authorization_details(rights: Iterable[tuple[str, str, str]], audience: Audience) -> list[dict[str, Any]]:
    """Return `rights` as entries of RFC 9396. Names with the same actions share an entry."""
    actions: dict[tuple[str, str], list[str]] = {}
    for action, kind, name in rights:
        actions.setdefault((kind, name), []).append(action)
    locations: dict[tuple[str, ...], list[str]] = {}
    for (kind, name), allowed in actions.items():
        place = f"cluster:{audience.server}/vhost:{DATA_VHOST}/{kind}:{name}"
        locations.setdefault((kind, *allowed), []).append(place)
    return [
        {"type": audience.kind, "locations": places, "actions": list(allowed)}
        for (_, *allowed), places in locations.items()
    ]


def _workflow_of(taskforce: TaskforceUuid) -> WorkflowId | None:
    try:
        return workflow_of(taskforce)
    except ValueError:
        return None
