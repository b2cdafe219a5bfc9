"""Who may call what. `ROLES` lists every route; the gateway does not start with a route that is not in it.

Rules, which are settings, turn a token's claims into roles. Users see their own objects and those of their projects.
For all other objects the answer is the same as if they did not exist.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict
from starlette.requests import Request

from schemas.errors import Broken, Forbidden, Unauthenticated
from wms.fleet.ownership import Access, Owner


class Role(StrEnum):
    """The roles that a caller can have."""

    USER = "user"
    PROJECT_ADMIN = "project-admin"
    AUDITOR = "auditor"
    OPS = "ops"
    SYSTEM_TMS = "system-tms"
    SYSTEM_WMS = "system-wms"


def _check_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a valid regular expression: {error}") from error
    return text


#: A regular expression that must match a claim from its first character to its last.
Pattern = Annotated[str, AfterValidator(_check_pattern)]


class RoleRule(BaseModel):
    """A token has `role` if its `claim` has a value that `pattern` matches from first to last character."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    claim: str
    pattern: Pattern


#: Source: contract, section 5.
DEFAULT_RULES: tuple[RoleRule, ...] = (
    RoleRule(role=Role.USER, claim="groups", pattern="/institutions/IceCube.*"),
    RoleRule(role=Role.USER, claim="groups", pattern="/tokens/ewms-dev"),
    RoleRule(role=Role.USER, claim="ewms_role", pattern="user"),
    RoleRule(role=Role.PROJECT_ADMIN, claim="ewms_role", pattern="project-admin"),
    RoleRule(role=Role.AUDITOR, claim="ewms_role", pattern="auditor"),
    RoleRule(role=Role.OPS, claim="ewms_role", pattern="ops"),
    RoleRule(role=Role.SYSTEM_TMS, claim="ewms_role", pattern="system-tms"),
    RoleRule(role=Role.SYSTEM_WMS, claim="ewms_role", pattern="system-wms"),
)

#: If a group's whole name matches this, its members share the objects that any of them makes.
DEFAULT_PROJECTS = "/projects/.+"

#: The entry in `ROLES` of a route that needs no token.
PUBLIC: frozenset[Role] = frozenset()

#: The claim that binds a TMS's token to one or several schedds. Without it the token is good for any schedd.
SCHEDD_CLAIM = "ewms_schedd"

_USERS = frozenset({Role.USER, Role.PROJECT_ADMIN})
_READERS = _USERS | {Role.AUDITOR, Role.OPS}
_ACTORS = _USERS | {Role.OPS}
_TMS = frozenset({Role.SYSTEM_TMS})
_WMS = frozenset({Role.SYSTEM_WMS})

#: (method, path without the version) -> who may call it. Source: contract, section 1; docs/reference/rights.md.
ROLES: Mapping[tuple[str, str], frozenset[Role]] = {
    ("GET", "/"): _READERS,
    ("GET", "/schema/openapi"): _READERS | _TMS,
    ("POST", "/workflows"): _USERS,
    ("GET", "/workflows/{workflow_id}"): _READERS,
    ("POST", "/workflows/{workflow_id}/actions/abort"): _ACTORS,
    ("POST", "/workflows/{workflow_id}/actions/finished"): _ACTORS,
    ("GET", "/workflows/{workflow_id}/ending"): _READERS,
    ("POST", "/workflows/{workflow_id}/close-inputs"): _ACTORS,
    ("POST", "/workflows/{workflow_id}/expected-results"): _ACTORS,
    ("GET", "/workflows/{workflow_id}/queues"): _READERS,
    ("GET", "/workflows/{workflow_id}/failed-attempts"): _READERS,
    ("GET", "/workflows/{workflow_id}/errors"): _READERS,
    ("GET", "/workflows/{workflow_id}/dead-letters"): _READERS,
    ("GET", "/workflows/{workflow_id}/dead-letters/groups"): _READERS,
    ("GET", "/workflows/{workflow_id}/dead-letters/orders"): _READERS,
    ("GET", "/workflows/{workflow_id}/dead-letters/whole"): _ACTORS,
    ("GET", "/workflows/{workflow_id}/dead-letters/{letter}"): _READERS,
    ("GET", "/workflows/{workflow_id}/dead-letters/{letter}/body"): _ACTORS,
    ("POST", "/workflows/{workflow_id}/dead-letters/actions/replay"): _ACTORS,
    ("POST", "/workflows/{workflow_id}/dead-letters/actions/discard"): _ACTORS,
    ("POST", "/query/workflows"): _READERS | _TMS,
    ("GET", "/task-directives/{task_id}"): _READERS,
    ("POST", "/query/task-directives"): _READERS,
    ("POST", "/task-directives/{task_id}/actions/add-workers"): _ACTORS | _TMS,
    ("GET", "/taskforces/{taskforce_uuid}"): _READERS | _TMS,
    ("GET", "/clusters"): _READERS,
    ("GET", "/taskforces/{taskforce_uuid}/logs"): _READERS,
    ("GET", "/taskforces/{taskforce_uuid}/logs/{name}"): _READERS,
    ("POST", "/query/taskforces"): _READERS | _TMS,
    ("GET", "/tms/pending-starter/taskforces"): _TMS,
    ("POST", "/tms/condor-submit/taskforces/{taskforce_uuid}"): _TMS,
    ("POST", "/tms/condor-submit/taskforces/{taskforce_uuid}/failed"): _TMS,
    ("GET", "/tms/pending-stopper/taskforces"): _TMS,
    ("POST", "/tms/condor-rm/taskforces/{taskforce_uuid}"): _TMS,
    ("POST", "/tms/condor-rm/taskforces/{taskforce_uuid}/failed"): _TMS,
    ("POST", "/tms/condor-complete/taskforces/{taskforce_uuid}"): _TMS,
    ("POST", "/tms/statuses/taskforces"): _TMS,
    ("GET", "/mqs"): _READERS | _WMS,
    ("GET", "/mqs/schema/openapi"): _READERS | _WMS,
    ("POST", "/mqs/workflows/{workflow_id}/mq-group/reservation"): _WMS,
    ("POST", "/mqs/workflows/{workflow_id}/mq-group/activation"): _WMS,
    ("GET", "/mqs/workflows/{workflow_id}/mq-group"): _WMS,
    ("GET", "/mqs/workflows/{workflow_id}/mq-profiles/public"): _USERS,
    ("GET", "/mqs/mq-profiles/{mqid}"): _WMS,
    ("GET", "/mqbroker-issuer/.well-known/jwks.json"): PUBLIC,
    ("GET", "/docs"): PUBLIC,
    ("GET", "/docs/openapi.json"): PUBLIC,
    ("GET", "/docs/start.js"): PUBLIC,
    ("GET", "/docs/swagger-ui.css"): PUBLIC,
    ("GET", "/docs/swagger-ui-bundle.js"): PUBLIC,
    ("GET", "/version"): PUBLIC,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
}

#: The roles that see the objects of all users, but not the queue tokens of others.
_SEE_ALL = frozenset({Role.AUDITOR, Role.OPS, Role.SYSTEM_TMS})


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: its subject, its role, and the projects whose objects it shares."""

    subject: str
    role: Role
    projects: tuple[str, ...] = ()
    #: The schedds for which a TMS may speak; None means any.
    schedds: frozenset[str] | None = None

    @property
    def owner(self) -> Owner:
        """Return the owner of the caller's new objects."""
        return Owner(self.subject, self.projects)

    @property
    def access(self) -> Access:
        """Return the objects that the caller may see and change, as a rule on owners, projects and schedds."""
        return Access(
            subject=self.subject,
            projects=frozenset(self.projects),
            everything=self.role in _SEE_ALL,
            schedds=self.schedds if self.role is Role.SYSTEM_TMS else None,
            role_name="TMS" if self.role is Role.SYSTEM_TMS else "USER",
        )


class VerifiesTokens(Protocol):
    """A checker of tokens, as this module needs it; `runtime.web.tokens.TokenVerifier` is one."""

    async def verify_token(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a valid token, by name.

        Raises:
            Unauthenticated: the token is not valid.
        """
        ...


class Gatekeeper:
    """Identify the sender of a request and check the sender's roles.

    Without a verifier every caller is "developer", in a role that the route allows. The settings allow that only on
    loopback.
    """

    def __init__(
        self,
        verifier: VerifiesTokens | None,
        *,
        rules: Sequence[RoleRule] = DEFAULT_RULES,
        projects: str = DEFAULT_PROJECTS,
    ) -> None:
        self._verifier = verifier
        self._rules = [(rule.role, rule.claim, re.compile(rule.pattern)) for rule in rules]
        self._projects = re.compile(projects)

    async def admit_caller(self, request: Request, allowed: frozenset[Role]) -> Caller:
        """Return the sender of `request`, in the first of the `allowed` roles that the token gives.

        Raises:
            Unauthenticated: the request has no token, or the token is not valid.
            Forbidden: the token gives none of these roles.
        """
        if self._verifier is None:
            return Caller("developer", next(role for role in Role if role in allowed))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated(hint="send a token: Authorization: Bearer <token>")
        claims = await self._verifier.verify_token(token.strip())
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise Unauthenticated
        held = self.find_roles(claims)
        role = next((role for role in Role if role in held and role in allowed), None)
        if role is None:
            raise Forbidden
        schedds = frozenset(_list_texts(claims[SCHEDD_CLAIM])) if SCHEDD_CLAIM in claims else None
        return Caller(subject, role, self._find_projects(claims), schedds)

    def find_roles(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        """Return the roles that `claims` give."""
        return frozenset(
            role
            for role, claim, pattern in self._rules
            if any(pattern.fullmatch(value) for value in _list_texts(claims.get(claim)))
        )

    def _find_projects(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(
            sorted(group for group in set(_list_texts(claims.get("groups"))) if self._projects.fullmatch(group))
        )


def find_allowed_roles(method: str, path: str) -> frozenset[Role]:
    """Return the roles that may call a route; the empty set if the route needs no token.

    Raises:
        Broken: `ROLES` does not list the route.
    """
    try:
        return ROLES[method, path]
    except KeyError:
        raise Broken(f"no roles are set for {method} {path}", hint="add the route to wms.gateway.auth.ROLES") from None


def _list_texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
