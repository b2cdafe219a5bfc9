"""The rights on decision trees, in their own words: what a principal may not read is refused, not absent. (core)

A right comes from a role in the organization of a template or job, or from a role on the template alone, which its
owners have delegated (`Principal.delegated`). A template without an organization belongs to the roles above all
organizations.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.errors import Forbidden
from schemas.ids import TemplateId
from wms.tenancy.rights import OBJECT_RIGHTS, Action, Principal, find_organizations, may, may_everywhere


def may_on_tree(
    principal: Principal, action: Action, organization: str | None, templates: Iterable[TemplateId] = ()
) -> bool:
    """Return whether `principal` may do `action` to a template, or a job, of `organization`.

    `templates` are those whose delegated roles count: the template, or those from which the job comes.
    """
    if may(principal, action, organization) if organization else may_everywhere(principal, action):
        return True
    allowed = OBJECT_RIGHTS.get(action, frozenset())
    return any(not allowed.isdisjoint(principal.delegated.get(each, frozenset())) for each in templates)


def check_tree_right(
    principal: Principal, action: Action, organization: str | None, templates: Iterable[TemplateId] = ()
) -> None:
    """Check that `principal` may do `action` to a template or a job of `organization`, as `may_on_tree` decides.

    Raises:
        Forbidden: it may not. This error comes also if the principal does not see the organization.
    """
    if not may_on_tree(principal, action, organization, templates):
        raise Forbidden(
            "You do not have permission to perform this action.",
            hint=f"{action} in {organization or 'no organization'}: ask an admin of the organization",
        )


def find_delegated(principal: Principal, action: Action) -> list[TemplateId]:
    """Return the ids of the templates on which a delegated role lets `principal` do `action`."""
    allowed = OBJECT_RIGHTS.get(action, frozenset())
    return sorted(each for each, roles in principal.delegated.items() if not allowed.isdisjoint(roles))


def make_tree_filter(principal: Principal, delegated: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the MongoDB filter for the templates or jobs that `principal` may see.

    `delegated` is the filter for those that it may see by delegated roles; None: there are none.
    """
    organizations = find_organizations(principal, Action.SEE_TREE)
    if organizations is None:
        return {}
    own = {"organization": {"$in": sorted(organizations)}}
    return own if delegated is None else {"$or": [own, dict(delegated)]}
