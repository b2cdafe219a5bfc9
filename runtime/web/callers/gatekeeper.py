"""Find out who sends a request, and check that the sender has one of the roles that the route allows.

Rules turn a token's claims into roles. A *role* is a name. The service says which roles exist, and which role counts if
a sender has several.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import Request

from schemas.errors import Forbidden, Unauthenticated
from schemas.rules.claim_patterns import list_texts

#: The roles of a route that needs no token.
ANYBODY: frozenset[str] = frozenset({"anybody"})
#: The role of everybody with a valid token, for routes whose handlers check the right to each object.
SIGNED_IN = "signed-in"


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: its subject, its role, the projects whose objects it shares, and its token's claims."""

    subject: str
    role: str
    projects: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    #: Whether the caller is a service, which calls for many users.
    is_service: bool = False
    #: Whether the caller proved nothing, because the checks of tokens are off.
    is_unchecked: bool = False


class VerifiesTokens(Protocol):
    """A checker of tokens, for example `runtime.web.callers.tokens.TokenVerifier`."""

    async def verify_token(self, token: str) -> Mapping[str, Any]:
        """Return the claims of `token`, by name.

        Raises:
            Unauthenticated: the token is not valid.
        """
        ...


class GivesRole(Protocol):
    """A rule: a token has `role` if its `claim` has a value that `pattern` matches from first to last character."""

    @property
    def role(self) -> str:
        """The name of the role."""

    @property
    def claim(self) -> str:
        """The name of the claim."""

    @property
    def pattern(self) -> str:
        """A regular expression."""


class KnowsRoles(Protocol):
    """A source of roles that tokens do not show, for example of the members of an organization."""

    @property
    def roles(self) -> frozenset[str]:
        """The names of all roles that this source can give."""

    async def find_roles(self, caller: Caller) -> frozenset[str]:
        """Return the roles of `caller`."""
        ...


class Gatekeeper:
    """Identifies the sender of a request and checks the sender's roles.

    Without a verifier every caller is "developer", with a role that the route allows. The settings allow that only on
    loopback.
    """

    def __init__(
        self,
        verifier: VerifiesTokens | None,
        *,
        rules: Sequence[GivesRole],
        ranking: Sequence[str],
        services: frozenset[str] = frozenset(),
        projects: str = "",
        more_roles: KnowsRoles | None = None,
    ) -> None:
        """If a caller has several of a route's roles, the first in `ranking` counts. `services` are roles of services.

        `projects` is a regular expression. If it matches the whole name of a group, the members of the group share
        their objects.
        """
        self._verifier = verifier
        self._rules = [(rule.role, rule.claim, re.compile(rule.pattern)) for rule in rules]
        self._ranking = tuple(ranking)
        self._services = services
        self._projects = re.compile(projects)
        self._more_roles = more_roles

    async def admit_caller(self, request: Request, allowed: frozenset[str]) -> Caller:
        """Return the sender of `request`, with the role among `allowed` that comes first in the ranking.

        Raises:
            Unauthenticated: the request has no token, or the token is not valid.
            Forbidden: the sender has none of the `allowed` roles.
        """
        if self._verifier is None:
            first = next(role for role in self._ranking if role in allowed)
            return self._make_caller("developer", first, {}, is_unchecked=True)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated(hint="send a token: Authorization: Bearer <token>")
        claims = await self._verifier.verify_token(token.strip())
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise Unauthenticated
        role = self._choose_role(self.find_roles(claims), allowed)
        if role is None and SIGNED_IN in allowed:
            role = SIGNED_IN
        if role is None and self._more_roles is not None and not allowed.isdisjoint(self._more_roles.roles):
            found = await self._more_roles.find_roles(self._make_caller(subject, "", claims))
            role = self._choose_role(found, allowed)
        if role is None:
            raise Forbidden
        return self._make_caller(subject, role, claims)

    def find_roles(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return the roles that the rules give for `claims`."""
        return frozenset(
            role
            for role, claim, pattern in self._rules
            if any(pattern.fullmatch(value) for value in list_texts(claims.get(claim)))
        )

    def _choose_role(self, held: frozenset[str], allowed: frozenset[str]) -> str | None:
        return next((role for role in self._ranking if role in held and role in allowed), None)

    def _make_caller(self, subject: str, role: str, claims: Mapping[str, Any], *, is_unchecked: bool = False) -> Caller:
        groups = sorted(group for group in set(list_texts(claims.get("groups"))) if self._projects.fullmatch(group))
        return Caller(
            subject, role, tuple(groups), claims, is_service=role in self._services, is_unchecked=is_unchecked
        )
