"""Who sees which rows of the audit log: a row of each kind for each kind of caller."""

from typing import Any

import pytest

from schemas.automation.trees import ObjectRole
from schemas.ids import OrganizationId, TemplateId
from tests.unit.wms.fleet.filter_matching import matches
from wms.fleet.ownership import Access
from wms.tenancy.audit_rights import make_audit_filter
from wms.tenancy.rights import Principal, TenancyRole

NORTH, SOUTH = OrganizationId("north"), OrganizationId("south")

ROWS: dict[str, dict[str, Any]] = {
    "task of north": {"organization": NORTH, "owner": "", "projects": [], "templates": []},
    "template 7 of north": {"organization": NORTH, "owner": "", "projects": [], "templates": [7]},
    "role in south": {"organization": SOUTH, "owner": "", "projects": [], "templates": []},
    "workflow of ann": {"organization": None, "owner": "ann", "projects": ["/p/one"], "templates": []},
    "workflow of bob": {"organization": None, "owner": "bob", "projects": [], "templates": []},
    "the engine's lock": {"organization": None, "owner": "", "projects": [], "templates": [], "kind": "engine"},
    "a drain": {"organization": None, "owner": "", "projects": [], "templates": [], "kind": "cluster"},
    "a quota": {"organization": None, "owner": "", "projects": [], "templates": [], "kind": "quota"},
}

NOBODY = Access("x")
CALLERS: dict[str, tuple[Principal, Access | None, str]] = {
    "superuser": (Principal("x", frozenset({TenancyRole.SUPERUSER})), NOBODY, "YYYYYYYY"),
    "system auditor": (Principal("x", frozenset({TenancyRole.SYSTEM_AUDITOR})), None, "YYYYYYYY"),
    "admin of north": (Principal("x", roles={NORTH: frozenset({TenancyRole.ORG_ADMIN})}), NOBODY, "YY------"),
    "auditor of north": (Principal("x", roles={NORTH: frozenset({TenancyRole.ORG_AUDITOR})}), NOBODY, "YY------"),
    "member of north": (Principal("x", roles={NORTH: frozenset({TenancyRole.ORG_MEMBER})}), NOBODY, "--------"),
    "delegate": (Principal("x", delegated={TemplateId(7): frozenset({ObjectRole.READ})}), NOBODY, "-Y------"),
    "ann": (Principal("ann"), Access("ann"), "---Y----"),
    "ann's project": (Principal("x"), Access("x", frozenset({"/p/one"})), "---Y----"),
    "operator": (Principal("x"), Access("x", everything=True), "---YY-YY"),
    "ann in AWX's dialect": (Principal("ann"), None, "--------"),
}


@pytest.mark.parametrize("who", CALLERS)
def test_each_caller_sees_exactly_their_rows(who: str) -> None:
    principal, access, cells = CALLERS[who]
    query = make_audit_filter(principal, access)
    assert "".join("Y" if matches(row, query) else "-" for row in ROWS.values()) == cells
