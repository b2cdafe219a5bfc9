"""Check the parts behind the gateway, as far as a user's token allows: the broker, and each place where tasks run."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from ewms.gateway.http import Gateway
from ewms.gateway.queries import query_all, read_workflow
from ewms.queues.queue_state import fetch_public_profiles
from ewms.workflows.taskforces import fetch_health
from runtime.amqp import CertificateRefused, Connection
from schemas.api.operators import DrainSeen
from schemas.api.workflows.health import ALL_FAILED, FAILING, StallCause, TaskforceHealth
from schemas.api.workflows.requests import ClustersAnswer
from schemas.errors import EWMSError
from schemas.fleet.objects import MQProfile, Taskforce
from schemas.fleet.phases import Phase
from schemas.ids import WorkflowId

#: How long (seconds) we wait for the broker to accept a connection.
_BROKER_WAIT_S = 5.0

#: In how many of the newest workflows we look for a queue that the user can open.
_N_WORKFLOWS = 5

#: The causes of missing workers that lie with the place and not with the task.
_CAUSES_OF_PLACE = ("tms-silent", "start-failed", "drained", "no-slot")

#: The causes of missing workers that have begun and failed. The task or the place may be at fault.
_CAUSES_OF_FAILURE = ("paused", "pilot-failed", "gone", "held", "all-bad")

#: The causes of a stall in which workers take events, and fail on every one.
_CAUSES_OF_FAILING = ("all-bad", FAILING, ALL_FAILED)

_WHOSE_FAULT = "the task is at fault, or this place lacks what it needs"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: its name, whether all is well, its finding, and the remedy if something is wrong."""

    what: str
    is_well: bool
    told: str
    remedy: str = ""
    #: Whether the check was possible at all.
    is_tried: bool = True


async def check_broker(gateway: Gateway, workflows: Sequence[WorkflowId]) -> Finding:
    """Connect to the broker with the token of one of the user's queues, and return a finding on whether that works.

    `workflows` are the user's workflows that have not ended, the oldest first.
    """
    profile = None
    for workflow in list(reversed(workflows))[:_N_WORKFLOWS]:
        try:
            profile = _find_open(await fetch_public_profiles(gateway, workflow))
        except EWMSError as error:
            return Finding("broker", False, f"the gateway names none: {error.reason}", error.hint)
        if profile is not None:
            break
    if profile is None:
        told = "the gateway names the broker only with an open public queue, and none of your workflows has one"
        remedy = "submit one, type `ewms workflow wait WORKFLOW --for active`, then `ewms doctor` again"
        return Finding("broker", True, told, remedy, is_tried=False)
    address, token = profile.broker_address or "", profile.auth_token or ""
    # Leave out what stands before the @: it names an account.
    place = address.rpartition("@")[2].partition("/")[0]
    tried = f"AMQP to {place} with the token of queue {profile.alias!r} of {profile.workflow_id}"
    try:
        connection = await Connection.connect(address, token=lambda: token, name="ewms doctor", wait_s=_BROKER_WAIT_S)
    except EWMSError as error:
        way = "check the way from here (firewall, VPN); if it is open, tell the people who run the server"
        remedy = error.hint if isinstance(error, CertificateRefused) else way
        return Finding("broker", False, f"{tried}: {error.reason}", remedy)
    await connection.close()
    return Finding("broker", True, f"{tried}: the broker lets you in")


async def check_clusters(gateway: Gateway) -> AsyncIterator[Finding]:
    """Yield a finding for each place where tasks run. The user's own newest taskforce there shows how the place is."""
    try:
        clusters = ClustersAnswer.model_validate(await gateway.get_json("/clusters"), extra="ignore").clusters
        wish = {"phase": {"$in": [Phase.PENDING_STARTER.value, Phase.CONDOR_SUBMIT.value]}}
        taskforces = await query_all(gateway, "taskforces", "taskforces", Taskforce, wish)
    except EWMSError as error:
        yield Finding("clusters", False, error.reason, error.hint)
        return
    names: dict[str, list[str]] = {}
    drains: dict[str, DrainSeen] = {}
    for cluster in clusters:
        if cluster.alias_of:
            continue
        names.setdefault(cluster.schedd, []).append(cluster.name)
        if cluster.drain is not None:
            drains[cluster.schedd] = cluster.drain
    for schedd, called in names.items():
        what = f"cluster {', '.join(called)}"
        if schedd in drains:
            yield describe_drained(what, drains[schedd])
        else:
            yield await _check_cluster(gateway, what, [t for t in taskforces if t.schedd == schedd])


def describe_drained(what: str, drain: DrainSeen) -> Finding:
    """Return a finding on a place where operators have stopped new workers."""
    told = f"an operator has drained it, so no workers start there, {drain.sentence}"
    return Finding(what, False, told, "name another place, or wait until the operator opens this one again")


async def _check_cluster(gateway: Gateway, what: str, there: Collection[Taskforce]) -> Finding:
    if not there:
        remedy = "submit a workflow there, and ask again"
        told = "you have no taskforce there, and only your own taskforces show you its state"
        return Finding(what, True, told, remedy, is_tried=False)
    newest = max(there, key=lambda taskforce: taskforce.timestamp)
    try:
        _, stall = await read_workflow(gateway, WorkflowId(newest.workflow_id))
        causes = [cause for cause in stall.causes if cause.task_id in ("", newest.task_id)] if stall else []
        return describe_place(what, newest.taskforce_uuid, await fetch_health(gateway, newest.taskforce_uuid), causes)
    except EWMSError as error:
        return Finding(what, False, error.reason, error.hint)


def describe_place(what: str, uuid: str, health: TaskforceHealth, causes: Collection[StallCause] = ()) -> Finding:
    """Return a finding on a place, from the health of the taskforce `uuid` that runs there.

    `causes` are those for which its task is stalled.
    """
    place = next((missing for missing in health.missing if missing.cause in _CAUSES_OF_PLACE), None)
    if place is not None:
        return Finding(what, False, f"{uuid}: {place.n_workers} worker(s) {place.text}", place.command)
    if health.stale:
        told = f"{uuid}: its TMS has reported nothing since {health.status_as_of:%H:%M:%S} UTC"
        return Finding(
            what, False, told, "wait a minute; if nothing changes, tell the people who run this access point"
        )
    failing = next((cause for cause in causes if cause.cause in _CAUSES_OF_FAILING), None)
    if failing is not None:
        return Finding(what, False, f"{uuid}: {failing.text}; {_WHOSE_FAULT}", failing.command)
    failed = [missing for missing in health.missing if missing.cause in _CAUSES_OF_FAILURE]
    if failed and not health.n_at_work and len(failed) == len(health.missing):
        why = ", ".join(f"{missing.n_workers} {missing.text}" for missing in failed)
        told = f"{uuid}: all {health.n_wanted} worker(s) failed: {why}; {_WHOSE_FAULT}"
        return Finding(what, False, told, failed[0].command)
    told = f"{uuid}: {health.n_at_work} of {health.n_wanted} worker(s) take events"
    if not health.missing:
        return Finding(what, True, told)
    waiting = ", ".join(f"{missing.n_workers} {missing.text}" for missing in health.missing)
    return Finding(what, True, f"{told}; {waiting}", f"ewms taskforce why {uuid}")


def _find_open(profiles: Collection[MQProfile]) -> MQProfile | None:
    return next((one for one in profiles if one.is_activated and one.auth_token and one.broker_address), None)
