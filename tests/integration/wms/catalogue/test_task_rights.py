"""C5, C6, C26 to C28 over REST: each cell of the tenancy matrix, and approval by another person."""

import pytest

from schemas.ids import OrganizationId
from tests.integration.wms.catalogue.conftest import TaskWorld
from tests.unit.wms.catalogue.task_matrix import CALLERS, MATRIX, Cell, list_cells
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action

ADMIN = "dora/north/admin"


async def try_action(world: TaskWorld, cell: Cell, task: int) -> int:
    """Return the status code of the answer to an action of a caller. Each one leaves the task as it is."""
    caller = CALLERS[cell.caller]
    share = {"visibility": cell.visibility.value, "roles": list(cell.roles)}
    match cell.action:
        case Action.SEE_TASK:
            answer = await world.send("GET", f"/tasks/{task}", caller=caller)
        case Action.RUN_TASK:
            answer = await world.send("GET", f"/tasks/{task}/runnable", caller=caller)
        case Action.CHANGE_TASK:
            answer = await world.send("PUT", f"/tasks/{task}", {"description": "x"}, caller=caller)
        case Action.SHARE_TASK:
            answer = await world.send("POST", f"/tasks/{task}/actions/share", share, caller=caller)
        case _:
            # The version is Ready, so whoever may approve gets 409.
            answer = await world.send("POST", f"/tasks/{task}/actions/approve", {}, caller=caller)
            return 200 if answer.status_code == 409 else answer.status_code
    return answer.status_code


@pytest.mark.parametrize(("visibility", "roles"), MATRIX, ids=str)
async def test_c5_c6_c26_c28_each_cell_over_rest(
    task_world: TaskWorld, visibility: str, roles: tuple[str, ...]
) -> None:
    """C6: what an admin says about the visibility counts for the next request."""
    task = (await task_world.make_ready(caller="ada/north/member"))["id"]
    await task_world.act(task, "share", caller=ADMIN, visibility=visibility, roles=list(roles))
    found, wanted = {}, {}
    for cell in list_cells():
        if (cell.visibility.value, cell.roles) == (visibility, roles):
            wanted[str(cell)] = cell.code_at_the_door
            found[str(cell)] = await try_action(task_world, cell, task)
    assert found == wanted
    for name, caller in CALLERS.items():
        listed = await task_world.send("GET", "/tasks", caller=caller)
        sees = MATRIX[visibility, roles][name][0] == "+"
        assert (listed.status_code == 200 and bool(listed.json()["tasks"])) is sees, name


async def test_c6_a_changed_visibility_counts_for_the_next_request(task_world: TaskWorld) -> None:
    task = (await task_world.make_ready(caller="ada/north/member"))["id"]
    for visibility, roles, code in [("private", [], 404), ("roles", ["org-member"], 200), ("private", [], 404)]:
        await task_world.act(task, "share", caller=ADMIN, visibility=visibility, roles=roles)
        answer = await task_world.send("GET", f"/tasks/{task}/runnable", caller="bob/north/member")
        assert answer.status_code == code


ODD_SHARES: list[tuple[dict[str, object], str]] = [
    ({"visibility": "roles"}, "roles"),
    ({"visibility": "public", "roles": ["org-member"]}, "roles"),
    ({"visibility": "roles", "roles": ["superuser"]}, "superuser"),
    ({"visibility": "everybody"}, "visibility"),
    ({}, "visibility"),
]


async def test_an_odd_visibility_is_refused(bare_world: TaskWorld) -> None:
    task = (await bare_world.create())["id"]
    for body, named in ODD_SHARES:
        answer = await bare_world.send("POST", f"/tasks/{task}/actions/share", body)
        assert (answer.status_code, named in answer.json()["error"]) == (400, True), body


async def test_c27_where_the_organization_says_so_another_person_approves(task_world: TaskWorld) -> None:
    body = {"title": "The north", "approval_by_another": True}
    saved = await task_world.send("PUT", "/organizations/north", body, caller="root")
    assert (saved.status_code, saved.json()["approval_by_another"]) == (200, True)
    task = (await task_world.create(caller="dora/north/admin"))["id"]
    looked = await task_world.until_looked(task)
    named = {"commit": looked["versions"][0]["commit"]}
    refused = await task_world.send("POST", f"/tasks/{task}/actions/approve", named, caller="dora/north/admin")
    assert refused.status_code == 403
    assert "version 1 must be approved by somebody else than its author" in refused.json()["error"]
    assert task_world.build.orders == []
    await task_world.act(task, "approve", caller="root", **named)
    await task_world.until_status(task, "Ready")
    # A change of the title by another dialect keeps the setting.
    await Organizations(task_world.wms.store).save_organization(
        OrganizationId("north"), title="N", customer_ids=(), by="root"
    )
    kept = await task_world.send("GET", "/organizations/north", caller="root")
    assert kept.json()["approval_by_another"] is True


async def test_who_may_create_tasks_nowhere_or_in_several_organizations(bare_world: TaskWorld) -> None:
    auditor = await bare_world.send("POST", "/tasks", {}, caller="carl/north/auditor")
    assert auditor.status_code == 403
    body = {"name": "t", "location": {"git": "https://g.example.org/t"}, "command": ["x"]}
    foreign = await bare_world.send("POST", "/tasks", {**body, "organization": "south"}, caller="ada/north/member")
    assert foreign.status_code == 404
    own = await bare_world.send("POST", "/tasks", body, caller="ada/north/member")
    assert (own.status_code, own.json()["organization"]) == (201, "north")
