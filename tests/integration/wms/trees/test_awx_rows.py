"""Rows of the contract's 1.11 that no other test carries: the shape of answers, ids, statuses, and what is ignored."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2

from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx

__all__ = ["awx"]

TREES, NODES = "/workflow_job_templates/", "/workflow_job_template_nodes/"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_k3_4_k3_5_k3_6_k3_7_k3_8_k3_9_k3_12_answers_to_changes_have_the_form_that_clients_read(
    awx: AwxWorld,
) -> None:
    ada, job, tree = awx.ada, await awx.make_job("build"), await awx.make_tree()
    approval = await awx.add_node(tree, identifier="sign")
    made = await ada.post(f"{NODES}{approval}/create_approval_template/", {"name": "sign", "timeout": 5})
    # One space of ids for templates of all kinds.
    assert len({job, tree, made["id"]}) == 3
    node = await awx.add_node(tree, identifier="b", unified_job_template=job)
    shown = await ada.get(f"{TREES}{tree}/")
    assert TIME.fullmatch(shown["created"])
    assert TIME.fullmatch(shown["modified"])
    assert shown["related"]["organization"] == f"{V2}/organizations/{shown['organization']}/"
    changed = await ada.call("PATCH", shown["url"], {"description": "d"})
    put = await ada.call("PUT", shown["url"], {"name": "release", "organization": shown["organization"]})
    assert (changed["description"], put["id"]) == ("d", tree)
    refused = await awx.eve.call("PATCH", shown["url"], {"description": "e"}, code=403)
    assert "icense" not in refused["detail"]
    # A template that goes leaves no key that dangles.
    await ada.call("DELETE", f"{V2}/job_templates/{job}/", code=204)
    freed = await ada.get(f"{NODES}{node}/")
    assert (freed["unified_job_template"], "unified_job_template" in freed["related"]) == (None, False)


async def test_k2_11_k4_3_k4_6_k4_16_k4_23_nodes_and_templates_take_what_clients_send(awx: AwxWorld) -> None:
    ada, job, tree = awx.ada, await awx.make_job("build"), await awx.make_tree()
    other = await awx.make_tree("other")
    node = await awx.add_node(tree, identifier="b", unified_job_template=job)
    described = await ada.call("OPTIONS", f"{V2}{NODES}{node}/create_approval_template/")
    assert {"name", "description", "timeout"} <= described["actions"]["POST"].keys()
    fields = (await ada.call("OPTIONS", f"{V2}/job_templates/"))["actions"]["POST"]
    assert not {"project", "playbook"} & {name for name, meta in fields.items() if meta.get("required")}
    # The parent of a node never changes, whoever names it.
    for method in ("PATCH", "PUT"):
        kept = await ada.call(method, f"{V2}{NODES}{node}/", {"workflow_job_template": other, "identifier": "b"})
        assert kept["workflow_job_template"] == tree
    found = (await ada.get("/unified_job_templates/?name=release&type=workflow_job_template"))["results"]
    assert [each["id"] for each in found] == [tree]
    run = (await ada.post(f"{TREES}{tree}/launch/"))["id"]
    shown = await ada.get(f"/workflow_jobs/{run}/")
    assert {"failed", "status", "started", "elapsed", "finished"} <= shown.keys()
    assert "event_processing_finished" not in shown
    await awx.trees.end("build")
    await awx.trees.until_over(run)


def list_links(shown: Any) -> Iterator[str]:
    """Return all paths and addresses in an answer."""
    if isinstance(shown, dict | list):
        for each in shown.values() if isinstance(shown, dict) else shown:
            yield from list_links(each)
    elif isinstance(shown, str) and shown.startswith(("/", "http")):
        yield shown


async def test_k1_11_k1_12_k2_9_k3_15_k4_2_headers_links_and_empty_answers_are_those_that_clients_take(
    awx: AwxWorld,
) -> None:
    job, trees = await awx.make_job("build"), [await awx.make_tree(name) for name in ("release", "other")]
    nodes = [await awx.add_node(trees[0], unified_job_template=job) for _ in range(2)]
    headers = awx.world.as_user("ada", groups=["/organizations/default/admin"])

    async def ask(method: str, path: str, body: Any = None, **more: str) -> httpx2.Response:
        given = {} if body is None else {"json": body}
        return await awx.world.http.request(method, f"{V2}{path}", headers={**headers, **more}, **given)

    # Links begin with the prefix of the dialect, also behind another one.
    for path in (f"{TREES}{trees[0]}/", f"{NODES}{nodes[0]}/", f"{TREES}?page_size=1", f"{TREES}?page_size=1&page=2"):
        answer = await ask("GET", path, **{"X-Forwarded-Prefix": "/ewms", "X-Script-Name": "/ewms"})
        links = list(list_links(answer.json()))
        assert links
        assert all(link.startswith("/api/v2/") for link in links), links
        assert answer.headers["content-type"].startswith("application/json")
    # No answer names a product whose version clients would compare, and no kind is deprecated.
    for method, path in (("GET", "/ping/"), ("GET", "/config/"), ("OPTIONS", TREES), ("GET", TREES)):
        answer = await ask(method, path)
        named = {name.lower() for name in answer.headers}
        assert not {"warning", "x-api-product-name", "x-api-product-version"} & named
    # What has nothing to say is empty.
    for method, path, body in (
        ("POST", f"{NODES}{nodes[0]}/success_nodes/", {"id": nodes[1]}),
        ("DELETE", f"{NODES}{nodes[1]}/", None),
        ("DELETE", f"{TREES}{trees[1]}/", None),
    ):
        answer = await ask(method, path, body)
        assert (answer.status_code, answer.content) == (204, b"")
    # Inventories have a list, which is empty for each filter that a module uses, and no way to make one.
    for query in ("", "?name=web&organization=1", "?kind=&search=web"):
        listed = await awx.ada.get(f"/inventories/{query}")
        assert (listed["count"], listed["results"]) == (0, [])
    await awx.ada.post("/inventories/", {"name": "web", "organization": "default", "kind": ""}, code=405)
    shown = await awx.ada.get(f"{TREES}{trees[0]}/")
    assert (shown["inventory"], "inventory" in shown["related"]) == (None, False)
