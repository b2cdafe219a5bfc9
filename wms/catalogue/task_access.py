"""Decide who may see, run, change, share and approve a task. (core)

    visibility   sees it                                             runs it
    private      its owner, overseers of its organization            its owner, admins
    roles        these, and those with one of its roles there        these, and those with one of its roles there
    public       everybody with a role in any organization           everybody who may run tasks in any organization

Overseers are the admins and auditors of the organization, and those above all organizations. A task that somebody does
not see does not exist for that person: 404. What somebody sees and may not do is refused: 403.
"""

from typing import Any

from schemas.automation.catalogue import CatalogueTask, TaskVisibility
from schemas.errors import Forbidden, NotFound
from wms.tenancy.rights import Action, Principal, TenancyRole, find_organizations, may, may_everywhere, sees

_OVERSEERS = (TenancyRole.ORG_ADMIN, TenancyRole.ORG_AUDITOR)


def may_on_task(principal: Principal, action: Action, task: CatalogueTask) -> bool:
    """Return whether `principal` may do `action` to `task`."""
    match action:
        case Action.SEE_TASK:
            return _sees_task(principal, task)
        case Action.RUN_TASK:
            return _runs_task(principal, task)
        case Action.CHANGE_TASK:
            if may(principal, Action.SHARE_TASK, task.organization):
                return True
            return principal.subject == task.owner and may(principal, action, task.organization)
        case Action.APPROVE_TASK | Action.SHARE_TASK:
            return may(principal, action, task.organization)
        case _:
            return False


def check_task_right(principal: Principal, action: Action, task: CatalogueTask) -> None:
    """Check that `principal` may do `action` to `task`.

    Raises:
        NotFound: the principal does not see the task.
        Forbidden: it does, and may not do this.
    """
    if not _sees_task(principal, task):
        raise make_absence(task.id)
    if not may_on_task(principal, action, task):
        raise Forbidden(f"you may not {action} {task.name!r}", hint=_REMEDIES[action])


def make_absence(task_id: object) -> NotFound:
    """Return the error about a task that does not exist for the caller."""
    return NotFound(f"no task found with id: {task_id}")


_REMEDIES = {
    Action.SEE_TASK: "",
    Action.RUN_TASK: "ask an admin of its organization to share the task with your role, or to make it public",
    Action.CHANGE_TASK: "its owner and the admins of its organization may",
    Action.APPROVE_TASK: "the admins of its organization may",
    Action.SHARE_TASK: "the admins of its organization may",
}


def _holds_role(principal: Principal, task: CatalogueTask) -> bool:
    held = principal.roles.get(task.organization, frozenset())
    return task.visibility is TaskVisibility.ROLES and any(role in task.roles for role in held)


def _oversees(principal: Principal, task: CatalogueTask) -> bool:
    held = principal.roles.get(task.organization, frozenset())
    return bool(principal.system_roles) or any(role in held for role in _OVERSEERS)


def _sees_task(principal: Principal, task: CatalogueTask) -> bool:
    if task.visibility is TaskVisibility.PUBLIC and principal.every_role:
        return True
    if not sees(principal, task.organization):
        return False
    return principal.subject == task.owner or _oversees(principal, task) or _holds_role(principal, task)


def _runs_task(principal: Principal, task: CatalogueTask) -> bool:
    if task.visibility is TaskVisibility.PUBLIC and find_organizations(principal, Action.RUN_TASK) != frozenset():
        return True
    if may(principal, Action.SHARE_TASK, task.organization) or _holds_role(principal, task):
        return True
    return principal.subject == task.owner and may(principal, Action.RUN_TASK, task.organization)


def make_visible_filter(principal: Principal) -> dict[str, Any]:
    """Return the MongoDB filter for the tasks that `principal` sees."""
    if may_everywhere(principal, Action.SEE_TASK):
        return {}
    kinds: list[dict[str, Any]] = []
    if principal.every_role:
        kinds.append({"visibility": TaskVisibility.PUBLIC.value})
    for organization, roles in sorted(principal.roles.items()):
        if any(role in roles for role in _OVERSEERS):
            kinds.append({"organization": organization})
            continue
        kinds.append({"organization": organization, "owner": principal.subject})
        shared = {"visibility": TaskVisibility.ROLES.value, "roles": {"$in": sorted(roles)}}
        kinds.append({"organization": organization, **shared})
    return {"$or": kinds} if kinds else {"_id": {"$in": []}}
