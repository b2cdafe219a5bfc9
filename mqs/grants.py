"""Who may read or write which queue, as the claims of a broker token. Nothing here performs I/O.

A token names exchanges to write and queues to read, and nothing else: never `configure`, never the default exchange,
over which every queue of the vhost can be reached. Each right is said twice, as a plain scope, which every version of
the broker reads, and as an `authorization_details` entry (RFC 9396), which existing tooling expects.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from schemas.documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.errors import Conflict, Forbidden, Unavailable
from schemas.ids import Mqid, TaskforceUuid, WorkflowId, workflow_of
from schemas.requests import GrantQuery, TaskProfilesQuery
from schemas.topology import (
    DATA_VHOST,
    RESOURCE_SERVER,
    Service,
    dead_exchange,
    event_exchange,
    read_scope,
    tms_service,
    write_scope,
)

#: Set back so that a broker whose clock is behind takes the token.
CLOCK_SKEW = timedelta(seconds=60)

#: Up to this many rights are said twice. A token has to fit into the one frame of the login, 8192 bytes by default
#: (RabbitMQ's `initial_frame_max`), with its base64 and its signature.
MAX_RIGHTS_SAID_TWICE = 40

_READ = "read"
_WRITE = "write"


@dataclass(frozen=True, slots=True)
class Grant:
    """What `subject` may do on the data vhost."""

    subject: str
    reads: tuple[Mqid, ...] = ()
    #: Exchanges.
    writes: tuple[str, ...] = ()


def user_grant(profile: MQProfileDocument, subject: str) -> Grant:
    """Return what a user's token for a public queue allows: to publish onto an input, to consume from an output.

    The subject is the user's own: the broker refuses to renew a token with one of another subject.
    """
    return Grant(
        subject=f"user/{subject}",
        reads=(profile.mqid,) if profile.is_output else (),
        writes=(event_exchange(profile.mqid),) if profile.is_input else (),
    )


def pilot_grant(
    group: MQGroupDocument | None, profiles: Sequence[MQProfileDocument], query: GrantQuery, *, caller: str
) -> Grant:
    """Return what the pilots of a taskforce may do: take its inputs, publish its outputs, set events aside as dead.

    Raises:
        Forbidden: `caller` is no TMS of this workflow, or it asks for what is not this workflow's. Which of these is
            not said: the answer to a stranger does not depend on what exists.
        Unavailable: the queues are not active yet.
        Conflict: the workflow is over.
    """
    if group is None or caller not in {tms_service(schedd) for schedd in group.schedds}:
        raise Forbidden
    return task_grant(group, profiles, query)


def task_grant(
    group: MQGroupDocument | None, profiles: Sequence[MQProfileDocument], query: GrantQuery | TaskProfilesQuery
) -> Grant:
    """Return the same as `pilot_grant`, for who need not be checked: WMS, asking for a TMS that it serves itself.

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
    return Grant(
        subject=f"wf/{group.workflow_id}/tf/{query.taskforce_uuid}",
        reads=tuple(dict.fromkeys(query.inputs)),
        writes=(
            *(event_exchange(mqid) for mqid in dict.fromkeys(query.outputs)),
            dead_exchange(group.workflow_id),
        ),
    )


def service_grant(profile: MQProfileDocument) -> Grant:
    """Return what a token for one queue allows that another WMS is given, to hand on to its pilots and users."""
    return Grant(subject=f"wf/{profile.workflow_id}", reads=(profile.mqid,), writes=(event_exchange(profile.mqid),))


def check_gateway(caller: str) -> None:
    """Return if `caller` is WMS, which asks on behalf of users that it has checked.

    Raises:
        Forbidden: it is somebody else.
    """
    if caller != Service.WMS:
        raise Forbidden


def claims(grant: Grant, *, issuer: str, now: datetime, life: timedelta, token_id: str) -> dict[str, Any]:
    """Return the claims of a token for `grant`. Times are whole seconds."""
    issued = int(now.timestamp())
    scopes = [*map(read_scope, grant.reads), *map(write_scope, grant.writes)]
    said: dict[str, Any] = {
        "iss": issuer,
        "sub": grant.subject,
        "aud": [RESOURCE_SERVER],
        "iat": issued,
        "nbf": issued - int(CLOCK_SKEW.total_seconds()),
        "exp": issued + int(life.total_seconds()),
        "jti": token_id,
        "scope": " ".join(scopes),
    }
    if len(scopes) <= MAX_RIGHTS_SAID_TWICE:
        said["authorization_details"] = _details(grant)
    return said


def _details(grant: Grant) -> list[dict[str, Any]]:
    details = []
    if grant.reads:
        details.append(_detail("queue", grant.reads, _READ))
    if grant.writes:
        details.append(_detail("exchange", grant.writes, _WRITE))
    return details


def _detail(kind: str, names: Iterable[str], action: str) -> dict[str, Any]:
    return {
        "type": RESOURCE_SERVER,
        "locations": [f"cluster:{RESOURCE_SERVER}/vhost:{DATA_VHOST}/{kind}:{name}" for name in names],
        "actions": [action],
    }


def _workflow_of(taskforce: TaskforceUuid) -> WorkflowId | None:
    try:
        return workflow_of(taskforce)
    except ValueError:
        return None
