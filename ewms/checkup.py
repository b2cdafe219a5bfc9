"""Check each step on the way from this machine to a working server; if the gateway does not answer, stop there.

server known ──► gateway answers ──► same version ──► what it needs is there ──► it knows us ──► broker ──► clusters
"""

from collections.abc import AsyncIterator
from importlib.metadata import version

from ewms.gateway.http import Gateway
from ewms.gateway.queries import query_all
from ewms.workflows.place_checks import Finding, check_broker, check_clusters
from schemas.api.services import ServicesAnswer, ServiceSeen
from schemas.broker.services import Service
from schemas.errors import EWMSError
from schemas.fleet.objects import Workflow


async def check_server(gateway: Gateway, address: str) -> AsyncIterator[Finding]:
    """Yield the findings about the server at `address`: gateway, versions, the services behind it, token, broker,
    places.

    The first finding that makes further checks useless is the last one.
    """
    try:
        _, answer = await gateway.get_without_token("/version")
    except EWMSError as error:
        yield Finding("gateway", False, error.reason, error.hint)
        return
    yield Finding("gateway", True, address)
    theirs = str(answer.get("version", "?"))
    yield compare_versions(version("ewms"), theirs)
    code, answer = await gateway.get_without_token("/readyz")
    for name, word in answer.items():
        yield Finding(
            f"gateway's {name}",
            word == "ok",
            str(word),
            ""
            if word == "ok"
            else "the client repeats its calls until the server is back; if it stays away, tell the people who run it",
        )
    if code != 200 and all(word == "ok" for word in answer.values()):
        yield Finding(
            "gateway's state", False, f"/readyz answers {code}", "wait, or tell the people who run the server"
        )
    try:
        workflows = await query_all(gateway, "workflows", "workflows", Workflow, {"deactivated": None})
    except EWMSError as error:
        yield Finding("token", False, error.reason, error.hint)
        return
    yield Finding("token", True, "the gateway accepts it")
    for finding in await _check_services(gateway, theirs):
        yield finding
    yield await check_broker(gateway, [workflow.workflow_id for workflow in workflows])
    async for finding in check_clusters(gateway):
        yield finding


async def _check_services(gateway: Gateway, theirs: str) -> list[Finding]:
    """Return a finding on the version of each service behind the gateway, whose own version is `theirs`."""
    try:
        answer = ServicesAnswer.model_validate(await gateway.get_json("/services"), extra="ignore")
    except EWMSError as error:
        return [Finding("services", True, f"the gateway does not tell their versions: {error.reason}", is_tried=False)]
    return [compare_service(each, theirs) for each in answer.services if each.service != Service.WMS]


def compare_service(seen: ServiceSeen, theirs: str) -> Finding:
    """Return a finding on whether a service runs the version `theirs` of the gateway."""
    name = f"version of {seen.service}" + (f" at {seen.schedd}" if seen.schedd else "")
    if seen.version is None:
        return Finding(name, True, seen.problem, is_tried=False)
    is_well = seen.version == theirs
    remedy = "" if is_well else f"tell the people who run the server: the gateway runs {theirs}"
    return Finding(name, is_well, seen.version, remedy)


def compare_versions(ours: str, theirs: str) -> Finding:
    """Return a finding on whether client and server fit together. Before 1.0 they need the same minor version."""
    told = f"client {ours}, server {theirs}"
    is_well = ours.split(".")[:2] == theirs.split(".")[:2]
    return Finding("versions", is_well, told, "" if is_well else "install the client that belongs to the server")
