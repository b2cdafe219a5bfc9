"""Every hop between this machine and a working server, one finding each; what lies behind a broken one is not tried.

server known ──► gateway answers ──► same version ──► what it needs is there ──► it knows us
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version

from ewms.gateway.http import Gateway
from schemas.errors import EWMSError


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and the remedy if it is not well."""

    what: str
    is_well: bool
    told: str
    remedy: str = ""


async def checkup(gateway: Gateway, address: str) -> AsyncIterator[Finding]:
    """Yield the findings about the server at `address` and our standing there."""
    try:
        _, answer = await gateway.get_open("/version")
    except EWMSError as error:
        yield Finding("gateway", False, error.reason, error.hint)
        return
    yield Finding("gateway", True, address)
    theirs = str(answer.get("version", "?"))
    yield same_version(version("ewms"), theirs)
    code, answer = await gateway.get_open("/readyz")
    for name, word in answer.items():
        yield Finding(
            f"gateway's {name}",
            word == "ok",
            str(word),
            ""
            if word == "ok"
            else "calls are repeated until it is back; if it stays away, tell those who run the server",
        )
    if code != 200 and all(word == "ok" for word in answer.values()):
        yield Finding("gateway's state", False, f"/readyz answers {code}", "wait, or tell those who run the server")
    try:
        await gateway.post("/query/workflows", {"query": {"deactivated": None}})
    except EWMSError as error:
        yield Finding("token", False, error.reason, error.hint)
    else:
        yield Finding("token", True, "the gateway accepts it")


def same_version(ours: str, theirs: str) -> Finding:
    """Return whether this client and the server speak of the same things: before 1.0 that is the same minor version."""
    told = f"client {ours}, server {theirs}"
    is_well = ours.split(".")[:2] == theirs.split(".")[:2]
    return Finding("versions", is_well, told, "" if is_well else "install the client that belongs to the server")
