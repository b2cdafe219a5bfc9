"""Who may do what with decision trees: every cell of table 1.7 in the contract, and A11 to A14."""

from dataclasses import replace
from itertools import product

import pytest

from schemas.automation.trees import ObjectRole
from schemas.errors import Forbidden
from schemas.ids import OrganizationId, TemplateId
from wms.tenancy.rights import OBJECT_RIGHTS, Action, Principal, TenancyRole
from wms.tenancy.tree_rights import check_tree_right, find_delegated, make_tree_filter, may_on_tree

NORTH, SOUTH = OrganizationId("north"), OrganizationId("south")

PRINCIPALS = {
    "superuser": Principal("root", frozenset({TenancyRole.SUPERUSER})),
    "system auditor": Principal("sam", frozenset({TenancyRole.SYSTEM_AUDITOR})),
    "O admin": Principal("ada", roles={NORTH: frozenset({TenancyRole.ORG_ADMIN})}),
    "O auditor": Principal("eve", roles={NORTH: frozenset({TenancyRole.ORG_AUDITOR})}),
    "O member": Principal("bob", roles={NORTH: frozenset({TenancyRole.ORG_MEMBER})}),
    "other org's admin": Principal("kim", roles={SOUTH: frozenset({TenancyRole.ORG_ADMIN})}),
}

#: Table 1.7, row by row: the action, the organization of the object, and the cells in the order of `PRINCIPALS`.
MATRIX = {
    "list/read WFJT, nodes, workflow jobs": (Action.SEE_TREE, NORTH, "Y Y Y Y N N"),
    "create/update/delete WFJT in O": (Action.CHANGE_TREE, NORTH, "Y N Y N N N"),
    "create WFJT with no organization": (Action.CHANGE_TREE, None, "Y N N N N N"),
    "create node": (Action.CHANGE_TREE, NORTH, "Y N Y N N N"),
    "create node: execute on the wrapped template": (Action.LAUNCH_TREE, NORTH, "Y N Y N N N"),
    "add/remove edge, delete node": (Action.CHANGE_TREE, NORTH, "Y N Y N N N"),
    "launch / relaunch / schedule": (Action.LAUNCH_TREE, NORTH, "Y N Y N N N"),
    "cancel workflow job": (Action.CANCEL_TREE, NORTH, "Y N Y N N N"),
    "delete workflow job": (Action.DELETE_TREE_JOB, NORTH, "Y N Y N N N"),
    "approve or deny": (Action.APPROVE_TREE, NORTH, "Y N Y N N N"),
}

CELLS = [
    (row, who, cell == "Y")
    for row, (_, _, cells) in MATRIX.items()
    for who, cell in zip(PRINCIPALS, cells.split(), strict=True)
]


@pytest.mark.parametrize(("row", "who", "allowed"), CELLS)
def test_a11_a12_a13_a14_every_cell_of_table_1_7(row: str, who: str, allowed: bool) -> None:
    action, organization, _ = MATRIX[row]
    assert may_on_tree(PRINCIPALS[who], action, organization) == allowed
    if allowed:
        check_tree_right(PRINCIPALS[who], action, organization)
    else:
        with pytest.raises(Forbidden) as refused:
            check_tree_right(PRINCIPALS[who], action, organization)
        assert refused.value.code == 403


#: Table 1.7, later releases: what a role on one template lets a member do there. In the order of `HOLDERS`.
DELEGATED = {
    Action.SEE_TREE: "Y Y Y Y",
    Action.CHANGE_TREE: "Y N N N",
    Action.LAUNCH_TREE: "Y Y N N",
    Action.CANCEL_TREE: "Y N N N",
    Action.APPROVE_TREE: "Y N N Y",
    Action.DELETE_TREE_JOB: "N N N N",
}
HOLDERS = (ObjectRole.ADMIN, ObjectRole.EXECUTE, ObjectRole.READ, ObjectRole.APPROVAL)
THIS, OTHER = TemplateId(7), TemplateId(8)


def test_the_delegated_table_has_every_role_and_every_right_on_trees() -> None:
    assert set(HOLDERS) == set(ObjectRole)
    assert set(DELEGATED) == {action for action in Action if "tree" in action}
    assert set(OBJECT_RIGHTS) <= set(DELEGATED)


@pytest.mark.parametrize(("action", "role"), list(product(DELEGATED, HOLDERS)))
@pytest.mark.parametrize("bystander", [PRINCIPALS["O member"], PRINCIPALS["other org's admin"], Principal("joe")])
def test_1_7_every_cell_of_the_delegated_roles(action: Action, role: ObjectRole, bystander: Principal) -> None:
    allowed = DELEGATED[action].split()[HOLDERS.index(role)] == "Y"
    holder = replace(bystander, delegated={THIS: frozenset({role})})
    assert may_on_tree(holder, action, NORTH, [THIS]) == allowed
    assert may_on_tree(holder, action, NORTH, [OTHER, THIS]) == allowed
    assert not may_on_tree(holder, action, NORTH, [OTHER])
    assert not may_on_tree(holder, action, NORTH)
    assert find_delegated(holder, action) == ([THIS] if allowed else [])


def test_1_7_a_delegated_role_takes_nothing_from_those_of_the_organization() -> None:
    reader = replace(PRINCIPALS["O admin"], delegated={THIS: frozenset({ObjectRole.READ})})
    assert all(may_on_tree(reader, action, NORTH, [THIS]) for action in DELEGATED)


def test_1_7_a_list_has_what_delegated_roles_add() -> None:
    member = PRINCIPALS["O member"]
    assert make_tree_filter(member, {"_id": {"$in": [THIS]}}) == {
        "$or": [{"organization": {"$in": []}}, {"_id": {"$in": [THIS]}}]
    }
    assert make_tree_filter(PRINCIPALS["superuser"], {"_id": {"$in": [THIS]}}) == {}


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("superuser", {}),
        ("system auditor", {}),
        ("O admin", {"organization": {"$in": [NORTH]}}),
        ("O auditor", {"organization": {"$in": [NORTH]}}),
        ("O member", {"organization": {"$in": []}}),
        ("other org's admin", {"organization": {"$in": [SOUTH]}}),
    ],
)
def test_a12_a13_a14_a_list_has_what_its_reader_may_see(who: str, seen: dict[str, object]) -> None:
    assert make_tree_filter(PRINCIPALS[who]) == seen
