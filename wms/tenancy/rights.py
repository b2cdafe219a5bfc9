"""The one table of rights: the roles that may do each action. (core)

A *principal* is a token's subject with its groups. It has roles in organizations, and may have a role above them all.
For a principal without a role in an organization, the objects of that organization do not exist: 404.

    Principal ada: {"north": {member}, "south": {auditor}}
    may(ada, START_PROCESS, "north")     True
    may(ada, START_PROCESS, "south")     False: 403, since ada sees that organization
    may(ada, SEE_PROCESS, "east")        False: 404
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.automation.trees import ObjectRole
from schemas.errors import Forbidden, NotFound, Rejected
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId, TemplateId


class TenancyRole(StrEnum):
    """The roles of principals: two above all organizations, three in one organization."""

    SUPERUSER = "superuser"
    SYSTEM_AUDITOR = "system-auditor"
    ORG_ADMIN = "org-admin"
    ORG_AUDITOR = "org-auditor"
    ORG_MEMBER = "org-member"


#: The roles above all organizations.
SYSTEM_ROLES = frozenset({TenancyRole.SUPERUSER, TenancyRole.SYSTEM_AUDITOR})
#: The roles in one organization.
ORGANIZATION_ROLES = frozenset(TenancyRole) - SYSTEM_ROLES
#: A role in an organization -> its rank. A principal has one of them stored, and a stronger one replaces it.
_STRENGTH = {TenancyRole.ORG_MEMBER: 0, TenancyRole.ORG_AUDITOR: 1, TenancyRole.ORG_ADMIN: 2}


class Action(StrEnum):
    """The actions of principals. A route names one of these, and takes its roles from `RIGHTS`."""

    SEE_PROCESS = "see-process"
    START_PROCESS = "start-process"
    #: Give input, retry a failed step, go on, write a note.
    RESUME_PROCESS = "resume-process"
    ABORT_PROCESS = "abort-process"
    DELETE_PROCESS = "delete-process"
    SEE_SUBSCRIPTION = "see-subscription"
    #: Set a subscription in sync, describe it.
    CHANGE_SUBSCRIPTION = "change-subscription"
    SEE_DEFINITION = "see-definition"
    SEE_PRODUCT = "see-product"
    CHANGE_PRODUCT = "change-product"
    #: The settings of the whole server: the engine's lock, the step workers.
    SEE_SETTINGS = "see-settings"
    CHANGE_SETTINGS = "change-settings"
    #: Resume all failed runs, in every organization.
    RESUME_ALL = "resume-all"
    SEE_ORGANIZATION = "see-organization"
    #: Name an organization's people.
    CHANGE_MEMBERS = "change-members"
    #: Make an organization, and say which customer ids belong to it.
    CHANGE_ORGANIZATION = "change-organization"
    #: Templates of decision trees, their nodes, and the jobs that were launched from them.
    SEE_TREE = "see-tree"
    #: Create, change and delete a template, its nodes and its edges.
    CHANGE_TREE = "change-tree"
    #: Launch, relaunch, schedule.
    LAUNCH_TREE = "launch-tree"
    #: Who has started a job may cancel it too.
    CANCEL_TREE = "cancel-tree"
    APPROVE_TREE = "approve-tree"
    DELETE_TREE_JOB = "delete-tree-job"
    #: Inventories with their groups, hosts and variables.
    SEE_INVENTORY = "see-inventory"
    #: Create, import, change and delete an inventory, its groups and its hosts.
    CHANGE_INVENTORY = "change-inventory"
    #: Run tasks on the hosts of an inventory.
    RUN_ON_INVENTORY = "run-on-inventory"
    #: Jobs on the inventories of an organization, and their results.
    SEE_JOB = "see-job"
    #: Who has started a job may cancel it too.
    CANCEL_JOB = "cancel-job"
    DELETE_JOB = "delete-job"
    #: Catalogue tasks. Who sees and runs one also depends on its visibility (`wms.catalogue.task_access`).
    SEE_TASK = "see-task"
    #: Create a task; its owner and the admins may change it.
    CHANGE_TASK = "change-task"
    RUN_TASK = "run-task"
    #: Say for whom it exists, disable it.
    SHARE_TASK = "share-task"
    #: Let a version be built and used, or reject it.
    APPROVE_TASK = "approve-task"
    #: Lists of tasks that somebody has saved; its owner and the admins change one.
    SEE_TASK_LIST = "see-task-list"
    CHANGE_TASK_LIST = "change-task-list"
    #: The names of an organization's secrets; nobody sees a value.
    SEE_SECRET = "see-secret"  # noqa: S105 - the name of an action
    #: Give a secret to the tasks of a job. Which ones members may give, each secret says (`wms.secrets.secret_use`).
    USE_SECRET = "use-secret"  # noqa: S105 - the name of an action
    CHANGE_SECRET = "change-secret"  # noqa: S105 - the name of an action
    #: The rows of the audit log about an organization's objects (`wms.tenancy.audit_rights`).
    SEE_AUDIT = "see-audit"


_SUPERUSER = frozenset({TenancyRole.SUPERUSER})
_EVERY_ROLE = frozenset(TenancyRole)
_ADMINS = _SUPERUSER | {TenancyRole.ORG_ADMIN}
_ACTORS = _ADMINS | {TenancyRole.ORG_MEMBER}
_OVERSEERS = _ADMINS | {TenancyRole.SYSTEM_AUDITOR, TenancyRole.ORG_AUDITOR}

#: Action -> the roles that may do it: those of an organization within it, the others everywhere.
RIGHTS: Mapping[Action, frozenset[TenancyRole]] = {
    Action.SEE_PROCESS: _EVERY_ROLE,
    Action.START_PROCESS: _ACTORS,
    Action.RESUME_PROCESS: _ACTORS,
    Action.ABORT_PROCESS: _ACTORS,
    Action.DELETE_PROCESS: _ADMINS,
    Action.SEE_SUBSCRIPTION: _EVERY_ROLE,
    Action.CHANGE_SUBSCRIPTION: _ACTORS,
    Action.SEE_DEFINITION: _EVERY_ROLE,
    Action.SEE_PRODUCT: _EVERY_ROLE,
    Action.CHANGE_PRODUCT: _SUPERUSER,
    Action.SEE_SETTINGS: _EVERY_ROLE,
    Action.CHANGE_SETTINGS: _SUPERUSER,
    Action.RESUME_ALL: _SUPERUSER,
    Action.SEE_ORGANIZATION: _EVERY_ROLE,
    Action.CHANGE_MEMBERS: _ADMINS,
    Action.CHANGE_ORGANIZATION: _SUPERUSER,
    Action.SEE_TREE: _OVERSEERS,
    Action.CHANGE_TREE: _ADMINS,
    Action.LAUNCH_TREE: _ADMINS,
    Action.CANCEL_TREE: _ADMINS,
    Action.APPROVE_TREE: _ADMINS,
    Action.DELETE_TREE_JOB: _ADMINS,
    Action.SEE_INVENTORY: _EVERY_ROLE,
    Action.CHANGE_INVENTORY: _ADMINS,
    Action.RUN_ON_INVENTORY: _ACTORS,
    Action.SEE_JOB: _EVERY_ROLE,
    Action.CANCEL_JOB: _ADMINS,
    Action.DELETE_JOB: _ADMINS,
    Action.SEE_TASK: _EVERY_ROLE,
    Action.CHANGE_TASK: _ACTORS,
    Action.RUN_TASK: _ACTORS,
    Action.SHARE_TASK: _ADMINS,
    Action.APPROVE_TASK: _ADMINS,
    Action.SEE_TASK_LIST: _EVERY_ROLE,
    Action.CHANGE_TASK_LIST: _ACTORS,
    Action.SEE_SECRET: _EVERY_ROLE,
    Action.USE_SECRET: _ACTORS,
    Action.CHANGE_SECRET: _ADMINS,
    Action.SEE_AUDIT: _OVERSEERS,
}

#: Action -> the roles on one template that allow it there. Other actions need a role in the organization.
OBJECT_RIGHTS: Mapping[Action, frozenset[ObjectRole]] = {
    Action.SEE_TREE: frozenset(ObjectRole),
    Action.CHANGE_TREE: frozenset({ObjectRole.ADMIN}),
    Action.LAUNCH_TREE: frozenset({ObjectRole.ADMIN, ObjectRole.EXECUTE}),
    Action.CANCEL_TREE: frozenset({ObjectRole.ADMIN}),
    Action.APPROVE_TREE: frozenset({ObjectRole.ADMIN, ObjectRole.APPROVAL}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A token's subject with its groups, and all of its roles."""

    subject: str
    #: The roles above all organizations.
    system_roles: frozenset[TenancyRole] = frozenset()
    #: Organization -> the roles in it. Organizations without a role are left out.
    roles: Mapping[OrganizationId, frozenset[TenancyRole]] = field(default_factory=dict)
    #: Template -> the roles that its owners have given to the principal. They count there only.
    delegated: Mapping[TemplateId, frozenset[ObjectRole]] = field(default_factory=dict)
    #: Those of `roles` that the token gives, by itself or by one of its groups, each as `organization/role`.
    by_token: frozenset[str] = frozenset()

    @property
    def every_role(self) -> frozenset[TenancyRole]:
        """Return the roles that the principal has anywhere."""
        return self.system_roles.union(*self.roles.values())


def name_token_role(organization: OrganizationId, role: TenancyRole) -> str:
    """Return how `Principal.by_token` names a role in an organization."""
    return f"{organization}/{role}"


def roles_for(action: Action) -> frozenset[str]:
    """Return the roles of a route that does `action`. Its handler checks the organization, with `check_right`."""
    return frozenset(RIGHTS[action])


def may(principal: Principal, action: Action, organization: OrganizationId | str) -> bool:
    """Return whether `principal` may do `action` in `organization`; an empty name means the default organization."""
    found = principal.roles.get(OrganizationId(organization or DEFAULT_ORGANIZATION), frozenset())
    return not RIGHTS[action].isdisjoint(principal.system_roles | found)


def may_everywhere(principal: Principal, action: Action) -> bool:
    """Return whether `principal` may do `action` in every organization, or to the server as a whole."""
    return not RIGHTS[action].isdisjoint(principal.system_roles)


def sees(principal: Principal, organization: OrganizationId | str) -> bool:
    """Return whether `organization` exists for `principal`: it has some role there, or above all organizations."""
    return may(principal, Action.SEE_ORGANIZATION, organization)


def check_right(
    principal: Principal, action: Action, organization: OrganizationId | str, *, absent: str = "Not Found"
) -> None:
    """Check that `principal` may do `action` in `organization`. `absent` is the text of the `NotFound`.

    Raises:
        NotFound: the organization does not exist for the principal.
        Forbidden: the organization exists for it, but no role of the principal there allows the action.
    """
    if not sees(principal, organization):
        raise NotFound(absent)
    if not may(principal, action, organization):
        if not RIGHTS[action]:
            raise Forbidden(f"no role allows to {action}")
        needed = ", ".join(role for role in TenancyRole if role in RIGHTS[action])
        raise Forbidden(
            f"{action} in organization {organization or DEFAULT_ORGANIZATION!r} needs one of the roles: {needed}",
            hint="ask an admin of the organization for one of these roles",
        )


def find_organizations(principal: Principal, action: Action) -> frozenset[OrganizationId] | None:
    """Return the names of the organizations in which `principal` may do `action`. Return None if that is all of
    them.
    """
    if may_everywhere(principal, action):
        return None
    return frozenset(each for each in principal.roles if may(principal, action, each))


def find_charged_organizations(principal: Principal) -> tuple[OrganizationId, ...]:
    """Return the organizations in whose quotas the workflows count that `principal` requests itself, sorted.

    These are all in which it has a role that may run tasks. Without such a role it is the default organization.
    """
    found = (each for each, roles in principal.roles.items() if not RIGHTS[Action.RUN_TASK].isdisjoint(roles))
    return tuple(sorted(found)) or (DEFAULT_ORGANIZATION,)


class HasStrongerRole(Rejected):
    """A new role would replace a stronger one that the caller has not taken away."""

    def __init__(self, held: TenancyRole, given: TenancyRole, organization: str) -> None:
        super().__init__(
            f"{given}: it has {held} in the organization {organization!r}, and one role there",
            hint=f"take {held} first, then give {given}",
        )
        self.held = held


def check_promotion(held: TenancyRole, given: TenancyRole, organization: str) -> None:
    """Check that the role `given` in an organization is no weaker than the one `held`, which it replaces.

    Raises:
        HasStrongerRole: it is weaker.
    """
    if _STRENGTH[held] > _STRENGTH[given]:
        raise HasStrongerRole(held, given, organization)


def choose_organization(principal: Principal, action: Action, wanted: str = "") -> OrganizationId:
    """Return the organization for a new object: the `wanted` one; else the only possible one, or the default one.

    Raises:
        NotFound, Forbidden: as `check_right` for the wanted organization.
        Forbidden: the principal may do `action` nowhere, or in several organizations and names none.
    """
    if wanted:
        check_right(principal, action, wanted, absent=f"no organization found with name: {wanted}")
        return OrganizationId(wanted)
    possible = find_organizations(principal, action)
    if possible is None or DEFAULT_ORGANIZATION in possible:
        return DEFAULT_ORGANIZATION
    if len(possible) == 1:
        return next(iter(possible))
    if not possible:
        raise Forbidden
    raise Forbidden(
        f"you may {action} in several organizations: {', '.join(sorted(possible))}",
        hint="name the organization in your request",
    )
