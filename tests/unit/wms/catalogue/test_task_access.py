"""C5, C6, C26, C27, C28: each cell of the matrix, and the filter of lists that must agree with it."""

from typing import Any

import pytest

from schemas.automation.catalogue import CatalogueTask, TaskVisibility
from schemas.errors import Forbidden, NotFound
from schemas.ids import OrganizationId
from tests.unit.wms.catalogue.making import create
from tests.unit.wms.catalogue.task_matrix import CALLERS, MATRIX, Cell, list_cells, make_principal
from wms.catalogue.task_access import check_task_right, make_visible_filter, may_on_task
from wms.tenancy.rights import Action, Principal

CELLS = list(list_cells())


def share(visibility: TaskVisibility, roles: tuple[str, ...]) -> CatalogueTask:
    """Return ada's task as it is shared."""
    return create(visibility=visibility, roles=roles)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_c5_c6_c26_c28_each_cell_of_the_matrix(cell: Cell) -> None:
    task, principal = share(cell.visibility, cell.roles), make_principal(cell.caller)
    assert may_on_task(principal, cell.action, task) is (cell.code == 200)
    match cell.code:
        case 200:
            check_task_right(principal, cell.action, task)
        case 403:
            with pytest.raises(Forbidden, match=f"you may not {cell.action} 'task1'"):
                check_task_right(principal, cell.action, task)
        case _:
            with pytest.raises(NotFound, match="no task found with id: 7"):
                check_task_right(principal, cell.action, task)


def test_the_matrix_has_a_cell_for_each_caller() -> None:
    assert all(set(row) == set(CALLERS) for row in MATRIX.values())


def matches(query: dict[str, Any], task: CatalogueTask) -> bool:
    """Return whether MongoDB would find `task` by `query`, whose operators are $or and $in."""
    for key, wanted in query.items():
        if key == "$or":
            if not any(matches(each, task) for each in wanted):
                return False
            continue
        value = getattr(task, "id" if key == "_id" else key)
        values = value if isinstance(value, tuple) else (value,)
        found = wanted["$in"] if isinstance(wanted, dict) else [wanted]
        if not any(each in found for each in values):
            return False
    return True


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(("visibility", "roles"), MATRIX)
def test_a_list_has_exactly_the_tasks_that_one_sees(visibility: str, roles: tuple[str, ...], caller: str) -> None:
    task, principal = share(TaskVisibility(visibility), roles), make_principal(caller)
    assert matches(make_visible_filter(principal), task) is may_on_task(principal, Action.SEE_TASK, task)


def test_an_unknown_visibility_of_a_later_version_shares_with_nobody() -> None:
    task = create(visibility=TaskVisibility("federated"), roles=("org-member",))
    member = make_principal("member")
    assert not may_on_task(member, Action.SEE_TASK, task)
    assert may_on_task(make_principal("admin"), Action.SEE_TASK, task)


def test_an_action_that_is_not_about_tasks_is_refused() -> None:
    root = make_principal("superuser")
    assert not may_on_task(root, Action.DELETE_PROCESS, create())
    assert not may_on_task(Principal("x", roles={OrganizationId("north"): frozenset()}), Action.SEE_TASK, create())
