"""Which tasks can be deleted, and what goes with them."""

from collections.abc import Sequence

from schemas.automation.catalogue import BUILD_LOG, BUILD_LOG_SIZES, CATALOGUE_TASKS, CatalogueTask
from schemas.engine.run_documents import RUNS
from schemas.ids import OrganizationId
from tests.integration.wms.catalogue.building import COMMITS
from tests.integration.wms.catalogue.conftest import TaskWorld
from tests.waiting import eventually
from wms.tenancy.organizations import Organizations


async def test_a_task_goes_with_the_logs_of_its_builds(task_world: TaskWorld) -> None:
    task = (await task_world.make_ready())["id"]
    store = task_world.wms.store
    assert await store.count(BUILD_LOG, {"task": task}) == 2
    assert (await task_world.send("DELETE", f"/tasks/{task}")).status_code == 204
    assert (await task_world.send("GET", f"/tasks/{task}")).status_code == 404
    assert [await store.count(each, {}) for each in (CATALOGUE_TASKS, BUILD_LOG, BUILD_LOG_SIZES)] == [0, 0, 0]
    # Its name is free, its id is not used again.
    again = await task_world.create()
    assert again["id"] > task


async def test_a_shared_task_that_is_ready_must_be_disabled_first(task_world: TaskWorld) -> None:
    task = (await task_world.make_ready())["id"]
    await task_world.act(task, "share", visibility="public")
    refused = await task_world.send("DELETE", f"/tasks/{task}")
    assert (refused.status_code, "is shared and Ready" in refused.json()["error"]) == (409, True)
    assert "disable it first" in refused.headers["X-EWMS-Hint"]
    await task_world.act(task, "disable")
    assert (await task_world.send("DELETE", f"/tasks/{task}")).status_code == 204


async def test_a_task_that_something_uses_stays(bare_world: TaskWorld) -> None:
    task = (await bare_world.create())["id"]

    async def find_uses(asked: CatalogueTask) -> Sequence[str]:
        return ["workflow 'maintenance'"] if asked.id == task else []

    bare_world.wms.tasks.deletion.users.append(find_uses)
    refused = await bare_world.send("DELETE", f"/tasks/{task}")
    assert refused.status_code == 409
    assert refused.json()["error"] == "task 'task1' is in use: workflow 'maintenance'"
    bare_world.wms.tasks.deletion.users.clear()
    assert (await bare_world.send("DELETE", f"/tasks/{task}")).status_code == 204


async def test_a_build_that_goes_on_is_canceled_with_its_task(task_world: TaskWorld) -> None:
    task_world.build.may_build.clear()
    made = await task_world.create()
    await task_world.until_looked(made["id"])
    await task_world.act(made["id"], "approve", commit=COMMITS[0])
    await eventually(lambda: task_world.build.orders)
    assert (await task_world.send("DELETE", f"/tasks/{made['id']}")).status_code == 204
    task_world.build.may_build.set()
    await eventually(task_world.count_open_runs, lambda n: n == 0)
    [run] = await task_world.wms.store.find(RUNS, {"definition": "build_task_image"})
    assert run["status"] == "canceled"
    assert run["want"]["why"] == "ada has deleted the task"


async def test_an_organization_with_a_task_stays(bare_world: TaskWorld) -> None:
    organizations = Organizations(bare_world.wms.store)
    name = OrganizationId("north")
    await organizations.save_organization(name, title="", customer_ids=(), by="root")
    await bare_world.create()
    refused = await bare_world.http.delete("/api/v2/organizations/north/", headers=bare_world.sign_in("root"))
    assert refused.status_code == 409
    assert "the catalogue task 'task1'" in refused.text
