"""C32, of builds: the log is kept and streamed while the build goes on, and only the builder may report."""

import asyncio
import json

from schemas.automation.builds import REPORT_TOKEN_HEADER
from schemas.automation.catalogue import BUILD_LOG
from schemas.engine.run_documents import RUNS
from tests.integration.wms.catalogue.building import COMMITS, find_digest, report
from tests.integration.wms.catalogue.conftest import TaskWorld
from tests.waiting import PATIENCE_S, eventually
from wms.encryption import is_sealed
from wms.settings import WmsSettings


async def begin_build(world: TaskWorld) -> int:
    """Return a task whose build goes on and has reported its first log."""
    world.build.may_build.clear()
    made = await world.create(caller="ada/north/member")
    await world.until_looked(made["id"])
    await world.act(made["id"], "approve", caller="dora/north/admin", commit=COMMITS[0])
    await eventually(lambda: len(world.build.answers) >= 4)
    return int(made["id"])


async def test_c32_the_log_is_there_while_the_build_goes_on_and_stays(task_world: TaskWorld) -> None:
    task = await begin_build(task_world)
    assert set(task_world.build.answers) == {204}
    log = await task_world.send("GET", f"/tasks/{task}/log", caller="ada/north/member")
    # A report that comes twice is stored once.
    assert log.text == "STEP 1: FROM scratch\nSTEP 2: COPY . /task\n"
    assert log.headers["X-Content-Type-Options"] == "nosniff"
    place = log.headers["X-EWMS-Log-Place"]
    rest = await task_world.send("GET", f"/tasks/{task}/log?after={place}", caller="ada/north/member")
    assert (rest.text, rest.headers["X-EWMS-Log-Place"]) == ("", place)
    task_world.build.may_build.set()
    await task_world.until_status(task, "Ready")
    kept = await task_world.send("GET", f"/tasks/{task}/log?version=1", caller="ada/north/member")
    assert kept.text == log.text
    assert (await task_world.send("GET", f"/tasks/{task}/log?version=9")).status_code == 404
    foreign = await task_world.send("GET", f"/tasks/{task}/log", caller="bob/north/member")
    assert foreign.status_code == 404


async def test_c32_the_log_is_streamed_until_the_build_is_over(task_world: TaskWorld) -> None:
    task = await begin_build(task_world)
    events: list[tuple[str, str]] = []

    async def follow(after: str) -> None:
        path = f"/v1/tasks/{task}/log/events?last_event_id={after}"
        async with task_world.http.stream("GET", path, headers=task_world.sign_in("ada/north/member")) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            name = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    events.append((name, json.loads(line.removeprefix("data: ")).get("text", "")))

    following = asyncio.create_task(follow(""))
    await eventually(lambda: len(events) == 2)
    assert not following.done()
    task_world.build.may_build.set()
    async with asyncio.timeout(PATIENCE_S):
        await following
    wanted = [("log", "STEP 1: FROM scratch\n"), ("log", "STEP 2: COPY . /task\n"), ("end", "")]
    assert events == wanted
    # Who comes later, or again after the first part, gets what is missing.
    events.clear()
    await follow("21")
    assert events == wanted[1:]
    bad = await task_world.http.get(f"/v1/tasks/{task}/log/events?last_event_id=x", headers=task_world.sign_in("root"))
    assert bad.status_code == 400


async def test_only_the_builder_may_report_and_a_report_decides_nothing(
    task_world: TaskWorld, task_settings: WmsSettings
) -> None:
    task = await begin_build(task_world)
    [order] = task_world.build.orders
    [run] = await task_world.wms.store.find(RUNS, {"definition": "build_task_image"})
    token = task_settings.make_secret_keys().unseal(run["state"]["report_token"])
    assert is_sealed(run["state"]["report_token"])
    assert run["masked"] == ["report_token"]
    body = {"stream": "0" * 8, "number": 0, "stage": "sync", "log": "all is well\n"}
    claim = {"locations": {"osg": {"state": "synced"}, "moon": {"state": "synced"}}}
    for wrong in ("", "x", "0" * 64):
        refused = await task_world.http.post(order.report_path, json=body, headers={REPORT_TOKEN_HEADER: wrong})
        assert refused.status_code == 404
    for build in ("9-1-1", f"{task}-1-2", f"{task}-look-1", "x"):
        refused = await task_world.http.post(
            f"/v1/builds/{build}/reports", json=body, headers={REPORT_TOKEN_HEADER: token}
        )
        assert refused.status_code == 404, build
    odd = await task_world.http.post(
        order.report_path, json={**body, "stream": "../x"}, headers={REPORT_TOKEN_HEADER: token}
    )
    assert odd.status_code == 400
    taken = await task_world.http.post(order.report_path, json={**body, **claim}, headers={REPORT_TOKEN_HEADER: token})
    assert taken.status_code == 204
    shown = await task_world.get(task)
    assert shown["status"] == "Building"
    assert set(shown["versions"][0]["locations"]) == {"osg"}
    # A person who sees the task sees no token.
    assert token not in json.dumps(shown)
    task_world.build.may_build.set()
    ready = await task_world.until_status(task, "Ready")
    assert ready["versions"][0]["digest"] == find_digest(order.commit)
    over = await asyncio.to_thread(report, order, token, 5000, log="too late")
    assert over == 409
    assert await task_world.wms.store.count(BUILD_LOG, {"text": "too late"}) == 0


async def test_the_runs_of_builders_are_no_processes(task_world: TaskWorld) -> None:
    await task_world.make_ready()
    listed = await task_world.http.get("/api/processes", headers=task_world.sign_in("root"))
    assert (listed.status_code, listed.json()) == (200, [])
    runs = await task_world.wms.store.find(RUNS, {})
    assert {(run["kind"], run["organization"]) for run in runs} == {("catalogue", "north")}
