"""Who may do what to an inventory of an organization: each cell of the matrix is data, and a request over real HTTP."""

from typing import Any

import pytest

from tests.integration.wms.conftest import World

#: Callers, by their claims. The inventory is of the organization north.
CALLERS: dict[str, dict[str, Any]] = {
    "superuser": {"ewms_role": "superuser"},
    "system auditor": {"ewms_role": "system-auditor"},
    "admin": {"groups": ["/organizations/north/admin"]},
    "auditor": {"groups": ["/organizations/north/auditor"]},
    "member": {"groups": ["/organizations/north/member"]},
    "foreign admin": {"groups": ["/organizations/south/admin"]},
    "foreign member": {"groups": ["/organizations/south/member"]},
    "fleet user": {"ewms_role": "user"},
}

#: Name of a request -> method, path, body, status of success.
REQUESTS: dict[str, tuple[str, str, Any, int]] = {
    "see": ("GET", "/v1/inventories/{inventory}", None, 200),
    "export": ("GET", "/v1/inventories/{inventory}/export", None, 200),
    "see groups": ("GET", "/v1/inventories/{inventory}/groups", None, 200),
    "see variables": ("GET", "/v1/inventories/{inventory}/groups/web/variables", None, 200),
    "see a host": ("GET", "/v1/hosts/{host}", None, 200),
    "blame": ("GET", "/v1/hosts/{host}/variables", None, 200),
    "match": ("GET", "/v1/hosts?inventory={inventory}&match=web", None, 200),
    "list its hosts": ("GET", "/v1/hosts?inventory={inventory}", None, 200),
    "set variables": ("PUT", "/v1/inventories/{inventory}/variables", {"variables": {"a": 1}}, 200),
    "import": ("POST", "/v1/inventories/{inventory}/import", {"content": "n1", "mode": "merge"}, 200),
    "rename": ("PUT", "/v1/inventories/{inventory}", {"description": "x"}, 200),
    "add a group": ("POST", "/v1/inventories/{inventory}/groups", {"name": "g1"}, 201),
    "set a group": ("PUT", "/v1/inventories/{inventory}/groups/web/variables", {"variables": {"a": 1}}, 200),
    "add a host": ("POST", "/v1/hosts", {"inventory": 0, "name": "n2"}, 201),
    "label a host": ("PUT", "/v1/hosts/{host}/labels", {"labels": ["x"]}, 200),
    "set a host": ("PUT", "/v1/hosts/{host}/variables", {"variables": {"a": 1}}, 200),
    "group a host": ("PUT", "/v1/hosts/{host}/groups", {"groups": ["db"]}, 200),
    "remove a host": ("DELETE", "/v1/hosts/{host}", None, 204),
    "remove a group": ("DELETE", "/v1/inventories/{inventory}/groups/db", None, 204),
    "delete": ("DELETE", "/v1/inventories/{inventory}", None, 204),
}
READS = ("see", "export", "see groups", "see variables", "see a host", "blame", "match", "list its hosts")

#: Caller -> the status of a read, and that of a change; 0: success.
#: A route lets in whoever may do its action in some organization. So a foreign member has no role for changes: 403.
MATRIX: dict[str, tuple[int, int]] = {
    "superuser": (0, 0),
    "system auditor": (0, 403),
    "admin": (0, 0),
    "auditor": (0, 403),
    "member": (0, 403),
    "foreign admin": (404, 404),
    "foreign member": (404, 403),
    "fleet user": (403, 403),
}


async def make_inventory(world: World) -> tuple[int, int]:
    """Create an inventory in north; return its id, and that of a host."""
    headers = world.as_user("ada", **CALLERS["admin"])
    content = "[web]\nw1 a=0\n[db]\nd1\n"
    made = await world.http.post("/v1/inventories", json={"name": "lab", "content": content}, headers=headers)
    assert made.status_code == 201, made.text
    inventory = made.json()["id"]
    hosts = (await world.http.get(f"/v1/hosts?inventory={inventory}", headers=headers)).json()["hosts"]
    return inventory, hosts[0]["id"]


@pytest.mark.parametrize("caller", MATRIX)
async def test_c26_c28_each_cell_of_the_matrix_of_inventories(world: World, caller: str) -> None:
    inventory, host = await make_inventory(world)
    wrong = []
    for name, (method, path, body, success) in REQUESTS.items():
        on_reads, on_changes = MATRIX[caller]
        expected = (on_reads if name in READS else on_changes) or success
        sent = {**body, "inventory": inventory} if body and "inventory" in body else body
        answer = await world.http.request(
            method,
            path.format(inventory=inventory, host=host),
            json=sent,
            headers=world.as_user(caller.replace(" ", "-"), **CALLERS[caller]),
        )
        if answer.status_code != expected:
            wrong.append((name, answer.status_code, expected, answer.text))
    assert wrong == []


async def test_c28_lists_have_the_inventories_and_hosts_of_one_s_own_organizations_only(world: World) -> None:
    inventory, _ = await make_inventory(world)
    south = world.as_user("sue", **CALLERS["foreign admin"])
    other = (await world.http.post("/v1/inventories", json={"name": "lab", "content": "s1"}, headers=south)).json()

    async def list_ids(caller: str, query: str = "") -> tuple[list[int], set[str]]:
        headers = world.as_user("x", **CALLERS[caller])
        listed = (await world.http.get(f"/v1/inventories?{query}", headers=headers)).json()["inventories"]
        hosts = (await world.http.get(f"/v1/hosts?{query}", headers=headers)).json()["hosts"]
        return [each["id"] for each in listed], {each["name"] for each in hosts}

    assert await list_ids("member") == ([inventory], {"w1", "d1"})
    assert await list_ids("foreign member") == ([other["id"]], {"s1"})
    assert await list_ids("superuser") == ([inventory, other["id"]], {"w1", "d1", "s1"})
    assert await list_ids("superuser", "organization=south") == ([other["id"]], {"s1"})
    assert await list_ids("member", "organization=south") == ([], set())


async def test_c28_a_host_gets_no_group_of_another_organization_s_inventory(world: World) -> None:
    await make_inventory(world)
    south = world.as_user("sue", **CALLERS["foreign admin"])
    other = (await world.http.post("/v1/inventories", json={"name": "lab", "content": "s1"}, headers=south)).json()
    body = {"inventory": other["id"], "name": "s2", "groups": ["web"]}
    refused = await world.http.post("/v1/hosts", json=body, headers=south)
    assert (refused.status_code, "'web' is no group" in refused.text) == (400, True)
