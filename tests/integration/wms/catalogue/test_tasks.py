"""C3, C10, C13 to C17, C19, C23, C24, C27, C31: a task on its way from its registration to Ready, over REST."""

from datetime import timedelta
from itertools import product
from typing import Any

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.clock import stored_now
from runtime.web.answers.problems import HINT_HEADER
from schemas.automation.builds import BUILD_LISTS, BUILD_POOL
from schemas.broker.topology import pool_service
from schemas.engine.graph import Definition, Node, make_chain
from schemas.engine.run_documents import DEFINITIONS, RUNS
from schemas.ids import NodeKey
from tests.integration.wms.catalogue.building import COMMITS, find_digest
from tests.integration.wms.catalogue.conftest import GIT, StartBuilder, TaskWorld, describe_task, versions
from tests.integration.wms.engine.peers import Worker
from tests.waiting import eventually
from wms.engine import repository


async def test_c15_c16_c17_c27_a_task_is_approved_built_synced_and_ready(task_world: TaskWorld) -> None:
    task_world.build.may_build.clear()
    made = await task_world.create()
    assert (made["name"], made["status"], made["location"]) == (
        "task1",
        "Pending approval",
        "github.com/sulochan/craton_tasks",
    )
    looked = await task_world.until_looked(made["id"])
    assert looked["versions"][0]["commit"] == COMMITS[0]
    assert looked["versions"][0]["commit_subject"] == "Mend the check"
    # C27: not approved, so neither built nor runnable, even by its author.
    assert task_world.build.orders == []
    refused = await task_world.send("GET", f"/tasks/{made['id']}/runnable")
    assert refused.status_code == 409
    assert "is Pending approval" in refused.json()["error"]
    approved = await task_world.act(made["id"], "approve", reason="read it", commit=COMMITS[0])
    assert versions(approved) == [(1, "Building")]
    # C16: while it is being built it is not available either.
    assert (await task_world.send("GET", f"/tasks/{made['id']}/runnable")).status_code == 409
    task_world.build.may_build.set()
    ready = await task_world.until_status(made["id"], "Ready")
    version = ready["versions"][0]
    assert (ready["status"], ready["ready_version"], version["reason"]) == ("Ready", 1, "")
    assert (version["decided_by"], version["decision"], version["digest"]) == (
        "ada",
        "read it",
        find_digest(COMMITS[0]),
    )
    assert version["images"] == {"osg": "/images/osg"}
    assert version["locations"]["osg"]["state"] == "synced"
    pinned = (await task_world.send("GET", f"/tasks/{made['id']}/runnable")).json()
    assert (pinned["version"], pinned["digest"], pinned["commit"]) == (1, find_digest(COMMITS[0]), COMMITS[0])
    assert pinned["command"] == ["python", "/craton/task1.py"]
    [order] = task_world.build.orders
    assert (order.task, order.version, order.commit, order.locations) == (made["id"], 1, COMMITS[0], ("osg",))


async def test_c14_a_failed_build_says_why_and_a_rebuild_repeats_it(task_world: TaskWorld) -> None:
    task_world.build.build_fault = "Dockerfile: there is none in the directory"
    made = await task_world.create()
    await task_world.until_looked(made["id"])
    await task_world.act(made["id"], "approve", commit=COMMITS[0])
    failed = await task_world.until_status(made["id"], "Failed")
    assert (failed["status"], failed["reason"]) == ("Failed", "Dockerfile: there is none in the directory")
    assert (await task_world.send("GET", f"/tasks/{made['id']}/runnable")).status_code == 409
    await eventually(task_world.count_open_runs, lambda n: n == 0)
    task_world.build.build_fault = ""
    await task_world.act(made["id"], "rebuild")
    ready = await task_world.until_status(made["id"], "Ready")
    # The same approved commit: the same version, without another approval.
    assert versions(ready) == [(1, "Ready")]
    assert [order.build for order in task_world.build.orders] == [f"{made['id']}-1-1", f"{made['id']}-1-2"]


async def test_r3_a_location_that_is_away_keeps_the_task_syncing_with_the_reason(task_world: TaskWorld) -> None:
    task_world.build.away = {"chicago"}
    made = await task_world.create(cluster_locations=["osg", "chicago"])
    await task_world.until_looked(made["id"])
    await task_world.act(made["id"], "approve", commit=COMMITS[0])
    away = await task_world.until(made["id"], lambda found: "no route" in found["versions"][0]["reason"])
    assert (away["status"], away["reason"]) == ("Syncing", "location 'chicago': no route to its directory")
    states = {name: each["state"] for name, each in away["versions"][0]["locations"].items()}
    assert states == {"osg": "synced", "chicago": "unreachable"}
    assert (await task_world.send("GET", f"/tasks/{made['id']}/runnable")).status_code == 409
    task_world.build.away = set()
    ready = await task_world.until_status(made["id"], "Ready")
    assert ready["versions"][0]["images"] == {"osg": "/images/osg", "chicago": "/images/chicago"}


async def test_r3_an_image_with_another_digest_is_not_synced(task_world: TaskWorld) -> None:
    task_world.build.damaged = {"osg"}
    made = await task_world.create()
    await task_world.until_looked(made["id"])
    await task_world.act(made["id"], "approve", commit=COMMITS[0])
    failed = await task_world.until_status(made["id"], "Failed")
    assert failed["reason"] == "the builder has ended without the image at: osg"


async def test_a_new_commit_waits_for_approval_while_the_old_version_stays_in_use(task_world: TaskWorld) -> None:
    ready = await task_world.make_ready()
    task = ready["id"]
    task_world.build.commit = COMMITS[1]
    await task_world.act(task, "rebuild")
    found = await task_world.until(task, lambda found: len(found["versions"]) == 2)
    assert versions(found) == [(2, "Pending approval"), (1, "Ready")]
    assert (found["status"], found["ready_version"]) == ("Ready", 1)
    pinned = (await task_world.send("GET", f"/tasks/{task}/runnable")).json()
    assert (pinned["version"], pinned["commit"]) == (1, COMMITS[0])
    bare = await task_world.send("POST", f"/tasks/{task}/actions/approve", {})
    assert (bare.status_code, "'commit'" in bare.json()["error"], COMMITS[1] in bare.headers[HINT_HEADER]) == (
        400,
        True,
        True,
    )
    wrong = await task_world.send("POST", f"/tasks/{task}/actions/approve", {"commit": COMMITS[0]})
    assert (wrong.status_code, wrong.json()["error"]) == (409, f"version 2 has another commit: {COMMITS[1]}")
    await task_world.act(task, "approve", version=2, commit=COMMITS[1])
    await task_world.until_status(task, "Ready")
    pinned = (await task_world.send("GET", f"/tasks/{task}/runnable")).json()
    assert (pinned["version"], pinned["digest"]) == (2, find_digest(COMMITS[1]))
    # The same commit again changes nothing.
    await task_world.act(task, "rebuild")
    same = await task_world.until(task, lambda found: "is the same" in found["look"])
    assert len(same["versions"]) == 2
    await task_world.act(task, "rebuild", new_version=True)
    await task_world.until(task, lambda found: versions(found)[0] == (3, "Pending approval"))


async def test_a_change_of_the_command_needs_another_approval(task_world: TaskWorld) -> None:
    ready = await task_world.make_ready()
    task = ready["id"]
    renamed = (await task_world.send("PUT", f"/tasks/{task}", {"name": "task2", "description": "Checks"})).json()
    assert (renamed["name"], renamed["description"], len(renamed["versions"])) == ("task2", "Checks", 1)
    answer = await task_world.send("PUT", f"/tasks/{task}", {"command": ["rm", "-rf", "/"], "reason": "faster"})
    assert answer.status_code == 200
    assert versions(answer.json()) == [(2, "Pending approval"), (1, "Ready")]
    assert answer.json()["change_reason"] == "faster"
    pinned = (await task_world.send("GET", f"/tasks/{task}/runnable")).json()
    assert pinned["command"] == ["python", "/craton/task1.py"]
    await task_world.until_looked(task)
    rejected = await task_world.act(task, "reject", reason="it deletes everything")
    assert versions(rejected) == [(2, "Rejected"), (1, "Ready")]
    assert rejected["versions"][0]["reason"] == "rejected by ada: it deletes everything"
    assert len(task_world.build.orders) == 1


async def test_a_failed_look_says_why_and_is_repeated(task_world: TaskWorld) -> None:
    task_world.build.fetch_fault = "location: github.com has no such repository"
    made = await task_world.create()
    failed = await task_world.until_status(made["id"], "Failed")
    assert failed["reason"] == "location: github.com has no such repository"
    task_world.build.fetch_fault = ""
    await task_world.act(made["id"], "rebuild")
    looked = await task_world.until_looked(made["id"])
    assert versions(looked) == [(1, "Pending approval")]


async def test_a_task_waits_for_a_builder_and_says_so(bare_world: TaskWorld, start_builder: StartBuilder) -> None:
    made = await bare_world.create()
    waiting = await bare_world.until(made["id"], lambda found: found["look"])
    assert "no builder offers 'find_task_commit' yet" in waiting["look"]
    refused = await bare_world.send("POST", f"/tasks/{made['id']}/actions/approve", {})
    assert (refused.status_code, "the commit of version 1 is not known yet" in refused.json()["error"]) == (409, True)
    await start_builder()
    await bare_world.until_looked(made["id"])


def make_false(name: str) -> Definition:
    """Return a definition of the pool `default`."""
    return Definition(name=name, graph=make_chain((Node(key=NodeKey("steal"), name="steal", function="steal"),)))


async def test_a_builder_of_another_pool_gets_no_order(bare_world: TaskWorld, start_builder: StartBuilder) -> None:
    """Its worker would learn the token of the build's reports."""
    store = bare_world.wms.store
    for name in BUILD_LISTS:
        false = make_false(name)
        await repository.store_definition(store, false, false.hash, stored_now() + timedelta(days=1))
    made = await bare_world.create()
    waiting = await bare_world.until(made["id"], lambda found: found["look"])
    assert "no builder offers 'find_task_commit' yet" in waiting["look"]
    assert await bare_world.count_open_runs() == 0
    await start_builder()
    looked = await bare_world.until_looked(made["id"])
    await bare_world.act(made["id"], "approve", commit=looked["versions"][0]["commit"])
    await bare_world.until_status(made["id"], "Ready")
    assert {run["pool"] for run in await store.find(RUNS, {})} == {BUILD_POOL}


async def test_wms_refuses_the_builders_lists_from_another_pool(
    bare_world: TaskWorld, rabbitmq: RabbitMQ, control_vhost: str
) -> None:
    worker = await Worker.connect(rabbitmq.amqp_url(pool_service("default"), control_vhost))
    try:
        for name in (*BUILD_LISTS, "harmless"):
            await worker.register(make_false(name))
        found = await eventually(lambda: bare_world.wms.store.distinct(DEFINITIONS, "name", {}), bool)
        assert found == ["harmless"]
    finally:
        await worker.close()


async def test_c24_c26_lists_have_pages_and_filters_and_only_what_one_sees(bare_world: TaskWorld) -> None:
    names = ["one", "two", "three"]
    for name in names:
        await bare_world.create(name=name)
    await bare_world.create(name="theirs", organization="south", caller="gina/south/admin")
    page = (await bare_world.send("GET", "/tasks?limit=2")).json()
    assert [each["name"] for each in page["tasks"]] == ["one", "two"]
    rest = (await bare_world.send("GET", f"/tasks/?limit=2&marker={page['next']}")).json()
    assert ([each["name"] for each in rest["tasks"]], rest["next"]) == (["three"], None)
    assert [each["name"] for each in (await bare_world.send("GET", "/tasks?name=two")).json()["tasks"]] == ["two"]
    assert len((await bare_world.send("GET", "/tasks?status=pending approval", caller="root")).json()["tasks"]) == 4
    assert (await bare_world.send("GET", "/tasks?organization=south")).json()["tasks"] == []
    assert (await bare_world.send("GET", "/tasks?status=odd")).status_code == 400
    assert (await bare_world.send("GET", "/tasks?limit=0")).status_code == 400
    # The older prefix serves the same.
    old = await bare_world.http.get("/v0/tasks", headers=bare_world.sign_in("root"))
    assert len(old.json()["tasks"]) == 4


BAD_BODIES: list[tuple[dict[str, Any], str]] = [
    ({"surprise": 1}, "surprise"),
    ({"name": "a b"}, "name"),
    ({"command": []}, "command"),
    ({"command": ["a\0"]}, "command"),
    ({"fan_out": "rack"}, "fan_out"),
    ({"location": {}}, "location"),
    ({"location": {"git": "file:///etc/passwd"}}, "location"),
    ({"location": {"directory": "/etc"}}, "location"),
    ({"cluster_locations": ["moon"]}, "moon"),
    ({"cluster_locations": []}, "cluster_locations"),
    ({"parameters": {"type": "objekt"}}, "parameters"),
    ({"parameters": {"$ref": "http://127.0.0.1/"}}, "parameters"),
    ({"resources": {"memory": "lots"}}, "memory"),
    ({"network": ["-x"]}, "network"),
    ({"organization": "moon"}, "moon"),
]


async def test_a_bad_body_is_refused_and_names_the_field(bare_world: TaskWorld) -> None:
    for changes, named in BAD_BODIES:
        answer = await bare_world.send("POST", "/tasks", describe_task(**changes))
        assert answer.status_code == (404 if "organization" in changes else 400), (changes, answer.text)
        assert named in answer.json()["error"], (changes, answer.text)
    assert (await bare_world.send("GET", "/tasks", caller="root")).json()["tasks"] == []


async def test_a_name_is_unique_in_its_organization_and_a_repeated_request_makes_one_task(
    bare_world: TaskWorld,
) -> None:
    body, once = describe_task(), {"Idempotency-Key": "k1"}
    first = await bare_world.send("POST", "/tasks", body, **once)
    again = await bare_world.send("POST", "/tasks", body, **once)
    assert (first.status_code, again.status_code, again.json()["id"]) == (201, 201, first.json()["id"])
    taken = await bare_world.send("POST", "/tasks", body)
    assert (taken.status_code, taken.json()["error"]) == (
        409,
        "organization 'north' has a task named 'task1' already",
    )
    other = await bare_world.create(name="task2")
    assert (await bare_world.send("PUT", f"/tasks/{other['id']}", {"name": "task1"})).status_code == 409
    # Another organization has names of its own.
    await bare_world.create(organization="south", caller="gina/south/admin")


async def test_a_task_that_is_not_there(bare_world: TaskWorld) -> None:
    calls = [("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/runnable"), ("GET", "/log")]
    for task, (method, path) in product(["0", "99", "x", "-1", "1" * 40, "1%00"], calls):
        answer = await bare_world.send(method, f"/tasks/{task}{path}", {} if method == "PUT" else None, caller="root")
        assert answer.status_code == 404, (task, method, path, answer.text)


async def test_a_task_of_a_directory_below_an_allowed_root(bare_world: TaskWorld) -> None:
    made = await bare_world.create(location={"directory": "/srv/tasks/one"}, cluster_locations=None)
    assert made["location"] == "/srv/tasks/one"
    assert set(made["versions"][0]["cluster_locations"]) == {"osg", "chicago", "test-alpha"}
    assert GIT not in str(made)


async def test_a_disabled_task_runs_nothing_until_it_is_enabled(task_world: TaskWorld) -> None:
    task = (await task_world.make_ready())["id"]
    disabled = await task_world.act(task, "disable", reason="it reboots too much")
    assert (disabled["status"], disabled["reason"]) == ("Disabled", "disabled by ada: it reboots too much")
    refused = await task_world.send("GET", f"/tasks/{task}/runnable")
    assert (refused.status_code, "is disabled" in refused.json()["error"]) == (409, True)
    assert (await task_world.act(task, "enable"))["status"] == "Ready"
    assert (await task_world.send("GET", f"/tasks/{task}/runnable")).status_code == 200
