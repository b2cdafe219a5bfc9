"""The roles that tokens give, and what they let their callers see.

Rules, which are settings, turn a token's claims into roles. Users see their own objects and those of their projects.
For all other objects the answer is the same as if they did not exist. Each route carries its roles; below are the sets
of roles that routes share.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from runtime.web.callers.gatekeeper import SIGNED_IN, Caller, Gatekeeper, KnowsRoles, VerifiesTokens
from schemas.rules.claim_patterns import Pattern, list_texts
from wms.fleet.ownership import Access
from wms.tenancy.rights import TenancyRole


class Role(StrEnum):
    """The roles that a token can give. If it gives several of a route's, the first one counts."""

    USER = "user"
    PROJECT_ADMIN = "project-admin"
    AUDITOR = "auditor"
    OPS = "ops"
    SYSTEM_TMS = "system-tms"
    SYSTEM_WMS = "system-wms"


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

#: The claim that binds a TMS's token to one or several schedds. Without it the token is good for any schedd.
SCHEDD_CLAIM = "ewms_schedd"

USERS: frozenset[str] = frozenset({Role.USER, Role.PROJECT_ADMIN})
READERS: frozenset[str] = USERS | {Role.AUDITOR, Role.OPS}
ACTORS: frozenset[str] = USERS | {Role.OPS}
TMS: frozenset[str] = frozenset({Role.SYSTEM_TMS})
WMS: frozenset[str] = frozenset({Role.SYSTEM_WMS})

#: Services call for many users, and we trust them not to send too many requests.
_SERVICES: frozenset[str] = TMS | WMS

#: The roles that see the objects of all users, but not the queue tokens of others.
_SEE_ALL = frozenset({Role.AUDITOR, Role.OPS, Role.SYSTEM_TMS})


def make_gatekeeper(
    verifier: VerifiesTokens | None,
    *,
    rules: tuple[RoleRule, ...] = DEFAULT_RULES,
    projects: str = DEFAULT_PROJECTS,
    organizations: KnowsRoles | None = None,
) -> Gatekeeper:
    """Return the gatekeeper of WMS. Without a verifier it lets everybody in.

    A route's roles are those of tokens (`Role`), or those of organizations (`wms.tenancy.rights.roles_for`).
    """
    return Gatekeeper(
        verifier,
        rules=rules,
        ranking=[*Role, *TenancyRole, SIGNED_IN],
        services=_SERVICES,
        projects=projects,
        more_roles=organizations,
    )


def find_access(caller: Caller) -> Access:
    """Return the objects that the caller may see and change, as a rule on owners, projects and schedds."""
    is_tms = caller.role == Role.SYSTEM_TMS
    return Access(
        subject=caller.subject,
        projects=frozenset(caller.projects),
        everything=caller.role in _SEE_ALL,
        schedds=find_schedds(caller) if is_tms else None,
        role_name="TMS" if is_tms else "USER",
    )


def find_schedds(caller: Caller) -> frozenset[str] | None:
    """Return the schedds for which the TMS that calls may speak. Return None if its token names none: then it may for
    all.
    """
    return frozenset(list_texts(caller.claims[SCHEDD_CLAIM])) if SCHEDD_CLAIM in caller.claims else None
