"""The one rule about who sees which rows of the audit log. (core)

a row about an object of an organization     the organization's admins and auditors
a row about a template or its jobs           also those to whom the template's owners have delegated a role
a row about a workflow of tasks              its owner, the members of its projects, and those who see all workflows
a row about a cluster location or a quota    those who see all workflows (of an organization: also as above)
every row, those of the server too           superusers and system auditors
"""

from typing import Any

from wms.fleet.choices.fleet_settings import CLUSTER_KIND, QUOTA_KIND
from wms.fleet.ownership import Access
from wms.tenancy.rights import Action, Principal, find_organizations
from wms.tenancy.tree_rights import find_delegated


def make_audit_filter(principal: Principal, access: Access | None = None) -> dict[str, Any]:
    """Return the MongoDB filter for the rows that `principal` sees.

    `access` says which workflows the caller sees. None: no row about a workflow counts, unless the principal sees all.
    """
    organizations = find_organizations(principal, Action.SEE_AUDIT)
    if organizations is None:
        return {}
    seen: list[dict[str, Any]] = [{"organization": {"$in": sorted(organizations)}}]
    if delegated := find_delegated(principal, Action.SEE_TREE):
        seen.append({"templates": {"$in": delegated}})
    if access is not None:
        # Rows without an owner are about other objects.
        seen.append({"$and": [{"owner": {"$gt": ""}}, access.owner_filter]})
        if access.everything:
            seen.append({"kind": {"$in": [CLUSTER_KIND, QUOTA_KIND]}})
    return {"$or": seen}
