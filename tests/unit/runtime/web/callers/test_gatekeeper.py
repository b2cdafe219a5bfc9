"""Roles from tokens, and roles that another source knows: the door asks that source only if it may matter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.requests import Request

from runtime.web.callers.gatekeeper import Caller, Gatekeeper
from schemas.errors import Forbidden, Unavailable


@dataclass(frozen=True)
class Rule:
    role: str
    claim: str
    pattern: str


class Believer:
    async def verify_token(self, token: str) -> Mapping[str, Any]:
        return {"sub": "ada", "job": token, "groups": ["/teams/a", "/teams/b", "/other"]}


class Members:
    """Knows members and their captains."""

    roles = frozenset({"member", "captain"})

    def __init__(self, *found: str, away: bool = False) -> None:
        self.found = frozenset(found)
        self.away = away
        self.asked: list[Caller] = []

    async def find_roles(self, caller: Caller) -> frozenset[str]:
        self.asked.append(caller)
        if self.away:
            raise Unavailable("the database is away")
        return self.found


def gatekeeper(members: Members) -> Gatekeeper:
    return Gatekeeper(
        Believer(),
        rules=[Rule("cook", "job", "cook|chef"), Rule("robot", "job", "robot")],
        ranking=["cook", "robot", "captain", "member"],
        services=frozenset({"robot"}),
        projects="/teams/.*",
        more_roles=members,
    )


def bearer(job: str) -> Request:
    return Request({"type": "http", "headers": [(b"authorization", f"Bearer {job}".encode())]})


async def test_a_role_of_the_token_needs_no_other_source() -> None:
    members = Members(away=True)
    caller = await gatekeeper(members).admit_caller(bearer("chef"), frozenset({"cook", "member"}))
    assert (caller.subject, caller.role, caller.projects, caller.is_service) == (
        "ada",
        "cook",
        ("/teams/a", "/teams/b"),
        False,
    )
    assert (await gatekeeper(members).admit_caller(bearer("robot"), frozenset({"robot"}))).is_service
    assert not members.asked


async def test_the_other_source_is_asked_for_roles_that_it_knows_and_for_no_other() -> None:
    members = Members("member", "captain")
    caller = await gatekeeper(members).admit_caller(bearer("guest"), frozenset({"member", "captain"}))
    assert caller.role == "captain", "the first of the ranking counts"
    assert members.asked[0].claims["job"] == "guest"
    with pytest.raises(Forbidden):
        await gatekeeper(Members("member")).admit_caller(bearer("guest"), frozenset({"captain"}))
    unasked = Members("member")
    with pytest.raises(Forbidden):
        await gatekeeper(unasked).admit_caller(bearer("guest"), frozenset({"cook"}))
    assert not unasked.asked


async def test_while_the_other_source_is_away_nobody_is_taken_for_a_stranger() -> None:
    with pytest.raises(Unavailable):
        await gatekeeper(Members(away=True)).admit_caller(bearer("guest"), frozenset({"member"}))


async def test_a_role_outside_of_the_route_opens_nothing_whatever_else_the_source_says() -> None:
    with pytest.raises(Forbidden):
        await gatekeeper(Members("cook")).admit_caller(bearer("guest"), frozenset({"robot", "member"}))
