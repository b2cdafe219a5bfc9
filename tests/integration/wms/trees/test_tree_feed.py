"""A launched tree as server-sent events: as it is, after each change, and its end; the client follows it."""

import asyncio
import json
from typing import Any

from ewms.gateway.event_reader import StreamedEvent, read_events
from ewms.gateway.http import Gateway
from ewms.gateway.server import Server
from ewms.trees.async_trees import AsyncTreeRun
from schemas.ids import RunId
from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx

__all__ = ["awx"]


async def test_a_tree_is_followed_from_its_launch_to_its_end_and_after_a_break(awx: AwxWorld) -> None:
    build, test = await awx.make_job("build"), await awx.make_job("test")
    tree = await awx.make_tree()
    first = await awx.add_node(tree, unified_job_template=build, identifier="b")
    second = await awx.add_node(tree, unified_job_template=test, identifier="t")
    await awx.ada.post(f"/workflow_job_template_nodes/{first}/success_nodes/", {"id": second}, code=204)
    job = int((await awx.ada.post(f"/workflow_job_templates/{tree}/launch/"))["id"])
    path = f"{V2}/workflow_jobs/{job}/events/"
    headers = awx.world.as_user("ada", groups=["/organizations/default/admin"])

    async def read_all(after: str = "") -> list[StreamedEvent]:
        more = {"Last-Event-ID": after} if after else {}
        async with awx.world.http.stream("GET", path, headers={**headers, **more}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            return [event async for event in read_events(answer.aiter_lines())]

    async def follow() -> list[Any]:
        url = str(awx.world.http.base_url).rstrip("/")
        token = headers["Authorization"].removeprefix("Bearer ")
        async with Gateway(Server(url, _token=token), prefix=V2) as gateway:
            return [shown async for shown in AsyncTreeRun(lambda: gateway, job).follow()]

    reading, following = asyncio.create_task(read_all()), asyncio.create_task(follow())
    await awx.trees.end("build")
    await awx.trees.end("test")
    assert (await awx.trees.until_over(RunId(job))).status == "successful"
    async with asyncio.timeout(60):
        events, seen = await reading, await following
    # All of the tree comes once, and then only what has changed.
    assert [events[0].name, *{event.name for event in events[1:-1]}, events[-1].name] == ["tree", "change", "end"]
    changes = [json.loads(event.data) for event in events if event.name == "change"]
    assert "edges" not in changes[-1].get("graph", {})
    assert all("name" not in change for change in changes)
    assert changes[-1]["status"] == seen[-1]["status"] == "successful"
    assert [node["status"] for node in seen[-1]["graph"]["nodes"]] == ["successful", "successful"]
    assert seen[-1]["finished"] is not None
    assert seen[-1]["graph"] == await awx.ada.get(f"/workflow_jobs/{job}/graph/")
    places = [int(event.id) for event in events]
    assert places == sorted(places)
    # Who comes back gets the tree as it is now, and its end.
    assert [event.name for event in await read_all(events[0].id)] == ["tree", "end"]
    assert (await awx.world.http.get(f"{path}?last_event_id=x", headers=headers)).status_code == 400
    await awx.bob.get(f"/workflow_jobs/{job}/events/", code=403)
    await awx.ada.get(f"/workflow_jobs/{job + 1000}/events/", code=404)
