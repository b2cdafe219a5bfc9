"""C5, C6, C26, C28 for jobs and saved lists over REST: who may do what, as data; each cell is a test."""

from typing import Any

import pytest

from schemas.automation.trees import ObjectRole, TemplateKind
from schemas.errors import Forbidden
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId
from tests.integration.wms.jobs.conftest import JobWorld
from tests.waiting import eventually
from wms.tenancy.rights import Principal, TenancyRole
from wms.trees.template_errors import FieldsRefused

CALLERS = {
    "superuser": "root",
    "system auditor": "watch",
    "admin": "boss/north/admin",
    "auditor": "al/north/auditor",
    "starter": "ada/north/member",
    "other member": "cy/north/member",
    "stranger": "eve/south/admin",
}
#: Action -> the status code for each caller, in the order of `CALLERS`. The job is over, and ada has started it.
MATRIX = {
    "see": (200, 200, 200, 200, 200, 200, 404),
    "see hosts": (200, 200, 200, 200, 200, 200, 404),
    "read log": (200, 200, 200, 200, 200, 200, 404),
    "start": (201, 403, 201, 403, 201, 201, 404),
    # Without a failed host there is nothing to run again: 409 means that the caller may.
    "run again": (409, 403, 409, 403, 409, 409, 404),
    "cancel": (409, 403, 409, 403, 409, 403, 404),
    "see list": (200, 200, 200, 200, 200, 200, 404),
    "change list": (200, 403, 200, 403, 200, 403, 404),
    "delete": (204, 403, 204, 403, 403, 403, 404),
}


async def try_action(jobs: JobWorld, action: str, caller: str, known: dict[str, int]) -> int:
    """Return the status code of the answer to an action of a caller."""
    job, saved = f"/jobs/{known['job']}", f"/workflow/{known['list']}"
    start = {"task": known["task"], "inventory": known["inventory"], "limit": "web1"}
    calls: dict[str, tuple[str, str, Any]] = {
        "see": ("GET", job, None),
        "see hosts": ("GET", f"{job}/hosts", None),
        "read log": ("GET", f"{job}/log", None),
        "start": ("POST", "/jobs", start),
        "run again": ("POST", f"{job}/actions/rerun", {}),
        "cancel": ("POST", f"{job}/actions/cancel", None),
        "see list": ("GET", saved, None),
        "change list": ("PUT", saved, {"description": "x"}),
        "delete": ("DELETE", job, None),
    }
    method, path, body = calls[action]
    answer = await jobs.send(method, path, body, caller=caller)
    return answer.status_code


async def test_c5_c6_c26_c28_each_cell_of_the_rights_of_jobs(jobs: JobWorld, subtests: pytest.Subtests) -> None:
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory("web1\nweb2\n")
    saved = await jobs.send("POST", "/workflow", {"name": "night", "organization": "north", "tasks": [task]})
    made = await jobs.start(task=task, inventory=inventory)
    await jobs.until_over(made["id"])
    known = {"job": made["id"], "list": saved.json()["id"], "task": task, "inventory": inventory}
    for action, codes in MATRIX.items():
        for (name, caller), code in zip(CALLERS.items(), codes, strict=True):
            if code == 204:
                continue  # they may, and the first of them deletes it: below
            with subtests.test(f"{name} {action}"):
                assert await try_action(jobs, action, caller, known) == code
    answer = await jobs.send("DELETE", f"/jobs/{known['job']}", caller="boss/north/admin")
    assert answer.status_code == 204, answer.text


async def test_c26_the_refusal_to_delete_a_task_says_nothing_of_jobs_and_lists_of_other_organizations(
    jobs: JobWorld,
) -> None:
    task = await jobs.add_task("patch", is_disabled=False)
    for caller in ("ada/north/member", "eve/south/admin"):
        saved = {"name": f"of-{caller[:3]}", "organization": caller.split("/")[1], "tasks": [task]}
        assert (await jobs.send("POST", "/workflow", saved, caller=caller)).status_code == 201
    jobs.answers = lambda _, host: None  # it never ends
    own = await jobs.start(task=task, inventory=await jobs.add_inventory("web1\n"))
    theirs = await jobs.add_inventory("web1\n", caller="eve/south/admin")
    other = await jobs.start(task=task, inventory=theirs, caller="eve/south/admin")

    async def delete() -> str:
        answer = await jobs.send("DELETE", f"/tasks/{task}", caller="boss/north/admin")
        assert answer.status_code == 409, answer.text
        return str(answer.json()["error"])

    assert await delete() == (
        f"task 'patch' is in use: job {own['id']}, 1 job(s) of other organizations, the workflow 'of-ada'"
    )
    # Without its own uses and jobs, the other organization's list does not keep the task.
    for job, caller in ((own, "ada/north/member"), (other, "eve/south/admin")):
        answer = await jobs.send("POST", f"/jobs/{job['id']}/actions/cancel", {}, caller=caller)
        assert answer.status_code in (200, 202), answer.text
    (mine,) = (await jobs.send("GET", "/workflow")).json()["workflows"]
    assert (await jobs.send("DELETE", f"/workflow/{mine['id']}")).status_code == 204
    await eventually(delete, lambda error: "is in use" not in error)
    assert "is shared" in await delete()


async def test_c5_c28_a_role_on_a_template_alone_brings_no_tasks_and_no_inventory_into_it(jobs: JobWorld) -> None:
    templates = jobs.world.wms.trees.templates
    task, secret = await jobs.add_task("patch"), await jobs.add_task("wipe", visibility="private")
    inventory = await jobs.add_inventory("web1\n")
    north = OrganizationId("north")
    assert (await jobs.send("PUT", "/organizations/north", {"title": "North"}, caller="root")).status_code in (200, 201)
    boss = Principal("boss", roles={north: frozenset({TenancyRole.ORG_ADMIN})})
    work = {"kind": "hosts", "tasks": [task], "inventory": inventory}
    raw = {"name": "patch", "organization": north, "work": work}
    made = await templates.create_template(boss, TemplateKind.JOB, raw)

    grants = {made.id: frozenset({ObjectRole.ADMIN})}
    outsider = Principal("joe", delegated=grants)
    member = Principal("cy", roles={north: frozenset({TenancyRole.ORG_MEMBER})}, delegated=grants)
    auditor = Principal("al", roles={north: frozenset({TenancyRole.ORG_AUDITOR})}, delegated=grants)
    changed = {"work": {**work, "limit": "web1"}}
    for principal, fields, error in (
        (outsider, changed, FieldsRefused),
        (auditor, changed, Forbidden),
        (member, {"work": {**work, "tasks": [task, secret]}}, FieldsRefused),
    ):
        with pytest.raises(error, match="work"):
            await templates.change_template(principal, made.id, TemplateKind.JOB, fields)
    # They may change the rest of it, also by sending the same work again. A member may run this task.
    kept = await templates.change_template(outsider, made.id, TemplateKind.JOB, {"description": "x", "work": work})
    assert kept.description == "x"
    await templates.change_template(member, made.id, TemplateKind.JOB, changed)

    root = Principal("root", system_roles=frozenset({TenancyRole.SUPERUSER}))
    with pytest.raises(FieldsRefused, match="another organization"):
        await templates.create_template(root, TemplateKind.JOB, {**raw, "organization": DEFAULT_ORGANIZATION})
