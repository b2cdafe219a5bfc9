"""Inventories and hosts over real HTTP: what the routes do, refuse and keep."""

import asyncio
import secrets
import threading
from typing import Any

import httpx2
import pytest

from schemas.automation.inventories import HOSTS, INVENTORIES, InventoryForm
from schemas.errors import Conflict
from schemas.ids import OrganizationId
from tests.integration.wms.conftest import World
from tests.unit.wms.inventory.inventory_samples import make_farm, read_sample
from tests.waiting import eventually
from wms.inventory.content.content_rules import count_content
from wms.inventory.content.inventory_content import Host, InventoryContent
from wms.inventory.forms.form_reading import read_inventory
from wms.inventory.forms.form_writing import write_inventory
from wms.inventory.limits.host_search import HostWish, find_hosts
from wms.inventory.stored import host_service
from wms.inventory.stored.stored_forms import build_content, parse_inventory
from wms.tenancy.organizations import Organizations

ADMIN = {"groups": ["/organizations/north/admin"]}
LAB = """
bastion
[web]
web[1:3] rack=7
[prod:children]
web
[web:vars]
tier=front
[all:vars]
tier=none
site=north
"""


class Lab:
    """Calls as an admin of the organization north."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def call(self, method: str, path: str, body: Any = None, code: int = 200, **headers: str) -> Any:
        """Send a request, check its status, and return the answer's body. A 503 of a busy machine is asked again."""
        if method == "POST":
            headers.setdefault("Idempotency-Key", secrets.token_hex(8))
        answers: list[httpx2.Response] = []

        async def send() -> bool:
            sent = {**self.world.as_user("ada", **ADMIN), **headers}
            answers.append(await self.world.http.request(method, path, json=body, headers=sent, timeout=60))
            return answers[-1].status_code != 503

        await eventually(send, within_s=120)
        answer = answers[-1]
        assert answer.status_code == code, answer.text
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    async def create(self, name: str = "lab", content: Any = LAB, **fields: Any) -> int:
        """Create an inventory, and return its id."""
        made = await self.call("POST", "/v1/inventories", {"name": name, "content": content, **fields}, 201)
        return int(made["id"])

    async def find_host(self, inventory: int, name: str) -> dict[str, Any]:
        """Return a host by its name."""
        found = await self.call("GET", f"/v1/hosts?inventory={inventory}&name={name}")
        [host] = found["hosts"]
        return dict(host)

    async def match(self, inventory: int, limit: str) -> list[str]:
        """Return the names of the hosts that a limit chooses."""
        params = httpx2.QueryParams({"inventory": inventory, "match": limit, "limit": 1000})
        return [each["name"] for each in (await self.call("GET", f"/v1/hosts?{params}"))["hosts"]]


@pytest.fixture
def lab(world: World) -> Lab:
    return Lab(world)


async def test_c24_inventories_and_hosts_are_listed_made_changed_and_deleted_below_both_prefixes(lab: Lab) -> None:
    for prefix in ("/v1", "/v0"):
        name = f"lab{prefix[1:]}"
        made = await lab.call(
            "POST", f"{prefix}/inventories", {"name": name, "description": "d", "variables": {"a": 1}}, 201
        )
        assert (made["organization"], made["n_hosts"], made["rev"], made["variables"]) == ("north", 0, 0, {"a": 1})
        one = f"{prefix}/inventories/{made['id']}"
        assert await lab.call("GET", one) == made
        assert (await lab.call("GET", f"{prefix}/inventories/?name={name}"))["inventories"][0]["name"] == name
        changed = await lab.call("PUT", one, {"name": f"{name}x", "rev": 0})
        assert (changed["name"], changed["description"], changed["rev"]) == (f"{name}x", "d", 1)
        host = await lab.call("POST", f"{prefix}/hosts", {"inventory": made["id"], "name": "w1"}, 201)
        here = f"{prefix}/hosts/{host['id']}"
        assert await lab.call("GET", here) == host
        assert (await lab.call("PUT", here, {"name": "w2"}))["name"] == "w2"
        await lab.call("DELETE", here, code=204)
        await lab.call("GET", here, code=404)
        await lab.call("DELETE", one, code=204)
        await lab.call("GET", one, code=404)
    assert await lab.world.wms.store.count(INVENTORIES, {}) == await lab.world.wms.store.count(HOSTS, {}) == 0


async def test_an_import_exports_the_same_and_the_nearest_variable_wins(lab: Lab) -> None:
    inventory = await lab.create()
    for form in ("ini", "yaml", "json"):
        text = await lab.call("GET", f"/v1/inventories/{inventory}/export?format={form}")
        assert read_inventory(text) == read_inventory(LAB)
    host = await lab.find_host(inventory, "web2")
    await lab.call("PUT", f"/v1/hosts/{host['id']}/variables", {"variables": {"tier": "own"}})
    seen = await lab.call("GET", f"/v1/hosts/{host['id']}/variables")
    assert seen["resolved"] == {"tier": "own", "site": "north", "rack": 7}
    assert seen["groups"] == ["prod", "web"]
    assert [(each["level"], each["name"], each["value"]) for each in seen["blame"]["tier"]] == [
        ("inventory", "", "none"),
        ("group", "web", "front"),
        ("host", "web2", "own"),
    ]
    await lab.call("DELETE", f"/v1/hosts/{host['id']}/variables/tier", code=204)
    assert (await lab.call("GET", f"/v1/hosts/{host['id']}/variables"))["resolved"]["tier"] == "front"
    await lab.call("DELETE", f"/v1/hosts/{host['id']}/variables/tier", code=404)


async def test_variables_of_an_inventory_and_of_a_group_are_set_and_removed(lab: Lab) -> None:
    one = f"/v1/inventories/{await lab.create()}"
    for path in (one, f"{one}/groups/web"):
        before = (await lab.call("GET", f"{path}/variables"))["variables"]
        changed = await lab.call("PUT", f"{path}/variables", {"variables": {"new": [1, {"a": None}]}})
        assert changed["variables"] == {**before, "new": [1, {"a": None}]}
        await lab.call("DELETE", f"{path}/variables/tier", code=204)
        left = (await lab.call("GET", f"{path}/variables"))["variables"]
        assert left == {name: value for name, value in changed["variables"].items() if name != "tier"}


async def test_groups_come_nest_and_go_and_make_no_circle(lab: Lab) -> None:
    inventory = await lab.create()
    groups = f"/v1/inventories/{inventory}/groups"
    made = await lab.call("POST", groups, {"name": "db", "children": [], "variables": {"port": 5432}}, 201)
    assert made == {"name": "db", "children": [], "variables": {"port": 5432}}
    assert (await lab.call("PUT", f"{groups}/prod/children", {"children": ["db"]}))["children"] == ["web", "db"]
    refused = await lab.call("PUT", f"{groups}/web/children", {"children": ["prod"]}, 400)
    assert "groups contain each other" in refused["error"]
    bastion = await lab.find_host(inventory, "bastion")
    joined = await lab.call("PUT", f"/v1/hosts/{bastion['id']}/groups", {"groups": ["db"]})
    assert joined["groups"] == ["db"]
    assert await lab.match(inventory, "prod") == ["bastion", "web1", "web2", "web3"]
    await lab.call("DELETE", f"{groups}/prod/children/web", code=204)
    assert await lab.match(inventory, "prod") == ["bastion"]
    await lab.call("DELETE", f"{groups}/db", code=204)
    assert (await lab.call("GET", f"/v1/hosts/{bastion['id']}"))["groups"] == []
    assert (await lab.call("GET", f"{groups}/prod"))["children"] == []
    await lab.call("GET", f"{groups}/db", code=404)
    await lab.call("POST", groups, {"name": "bastion"}, 400)
    await lab.call("POST", groups, {"name": "web"}, 409)
    web1 = await lab.find_host(inventory, "web1")
    await lab.call("DELETE", f"/v1/hosts/{web1['id']}/groups/web", code=204)
    assert await lab.match(inventory, "ungrouped") == ["bastion", "web1"]


async def test_hosts_are_found_by_label_group_variables_and_limit(lab: Lab) -> None:
    inventory = await lab.create()
    for name, labels in (("web1", ["new", "rack-7"]), ("web3", ["rack-7"])):
        host = await lab.find_host(inventory, name)
        assert (await lab.call("PUT", f"/v1/hosts/{host['id']}/labels", {"labels": labels}))["labels"] == labels

    async def find(query: str) -> list[str]:
        return [each["name"] for each in (await lab.call("GET", f"/v1/hosts?{query}"))["hosts"]]

    here = f"inventory={inventory}"
    assert await find("label=rack-7") == ["web1", "web3"]
    assert await find("label=rack-7&label=new") == ["web1"]
    assert await find(f"{here}&group=prod&label=rack-7") == ["web1", "web3"]
    assert await find(f"{here}&vars=tier:front,rack:7") == ["web1", "web2", "web3"]
    assert await find(f"{here}&vars=tier:none") == ["bastion"]
    assert await lab.match(inventory, "web*:&label=rack-7:!web1") == ["web3"]
    for query, text in (
        ("match=web1", "'match': name the inventory, too"),
        (f"{here}&match=web9", "no host or group called 'web9'"),
        (f"{here}&match=~w", "no regular expressions"),
        (f"{here}&vars=tier", "write it as vars=NAME:VALUE"),
        ("inventory=x", "'inventory': must be the id"),
        ("limit=0", "'limit': must be a whole number"),
    ):
        assert text in (await lab.call("GET", f"/v1/hosts?{query}", code=400))["error"]
    await lab.call("GET", f"/v1/hosts?{here}&group=none", code=404)
    host = await lab.find_host(inventory, "web1")
    await lab.call("DELETE", f"/v1/hosts/{host['id']}/labels/new", code=204)
    assert (await lab.call("GET", f"/v1/hosts/{host['id']}"))["labels"] == ["rack-7"]


async def test_the_search_by_limit_does_not_hold_up_other_requests(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = await lab.create()
    threads: list[threading.Thread] = []

    def note_thread(content: InventoryContent, wish: HostWish) -> list[Host]:
        threads.append(threading.current_thread())
        return find_hosts(content, wish)

    monkeypatch.setattr(host_service, "find_hosts", note_thread)
    found = await lab.call("GET", f"/v1/hosts?inventory={inventory}&match=web*")
    assert len(found["hosts"]) == 3
    assert threads
    assert threading.current_thread() not in threads, "the event loop has this thread"


async def test_lists_come_in_pages(lab: Lab) -> None:
    inventory = await lab.create()
    for more in ("", "&match=all"):
        path = f"/v1/hosts?inventory={inventory}{more}"
        names: list[str] = []
        marker: int | None = 0
        while marker is not None:
            page = await lab.call("GET", f"{path}&limit=3&marker={marker}")
            names += [each["name"] for each in page["hosts"]]
            marker = page["next"]
        assert names == ["bastion", "web1", "web2", "web3"]


async def test_a_change_that_read_an_older_revision_overwrites_nothing(lab: Lab) -> None:
    inventory = await lab.create()
    one = f"/v1/inventories/{inventory}"
    rev = (await lab.call("GET", one))["rev"]
    host = await lab.find_host(inventory, "web1")
    await lab.call("PUT", f"/v1/hosts/{host['id']}/variables", {"variables": {"a": 1}, "rev": rev})
    changes: list[tuple[str, str, Any]] = [
        ("PUT", f"/v1/hosts/{host['id']}/variables", {"variables": {"a": 2}, "rev": rev}),
        ("PUT", f"/v1/hosts/{host['id']}/labels", {"labels": ["x"], "rev": rev}),
        ("PUT", f"/v1/hosts/{host['id']}", {"name": "w9", "rev": rev}),
        ("DELETE", f"/v1/hosts/{host['id']}?rev={rev}", None),
        ("PUT", one, {"name": "other", "rev": rev}),
        ("PUT", f"{one}/variables", {"variables": {"a": 2}, "rev": rev}),
        ("POST", f"{one}/groups", {"name": "g", "rev": rev}),
        ("DELETE", f"{one}/groups/web?rev={rev}", None),
        ("POST", f"{one}/import", {"content": "h1", "rev": rev}),
        ("DELETE", f"{one}?rev={rev}", None),
    ]
    before = await lab.call("GET", f"{one}/export")
    for method, path, body in changes:
        refused = await lab.call(method, path, body, 409)
        assert f"it is at revision {rev + 1}, and not at {rev}" in refused["error"], path
    assert await lab.call("GET", f"{one}/export") == before


async def test_changes_at_once_all_count(lab: Lab) -> None:
    inventory = await lab.create()
    host = await lab.find_host(inventory, "web1")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(8):
            body = {"inventory": inventory, "name": f"n{number}", "groups": ["web"]}
            group.create_task(lab.call("POST", "/v1/hosts", body, 201))
            path = f"/v1/hosts/{host['id']}/variables"
            group.create_task(lab.call("PUT", path, {"variables": {f"v{number}": number}}))
    found = await lab.call("GET", f"/v1/inventories/{inventory}")
    assert found["n_hosts"] == 12
    assert {f"v{number}" for number in range(8)} <= (await lab.find_host(inventory, "web1"))["variables"].keys()
    assert found["rev"] == 16
    await check_counts(lab, inventory)


async def check_counts(lab: Lab, inventory: int) -> None:
    """Check that the stored numbers are those of the content."""
    store = lab.world.wms.store
    document = await store.find_one(INVENTORIES, {"_id": inventory})
    assert document is not None
    content = build_content(parse_inventory(document), await store.find(HOSTS, {"inventory": inventory}))
    assert (document["n_hosts"], document["n_bytes"]) == (len(content.hosts), count_content(content))


async def test_a_repeated_request_makes_one_inventory_one_group_and_one_host(lab: Lab) -> None:
    inventory = await lab.create()
    bodies = {
        "/v1/inventories": {"name": "twice"},
        f"/v1/inventories/{inventory}/groups": {"name": "twice"},
        "/v1/hosts": {"inventory": inventory, "name": "host"},
    }
    for path, body in bodies.items():
        first = await lab.call("POST", path, body, 201, **{"Idempotency-Key": path})
        assert await lab.call("POST", path, body, 201, **{"Idempotency-Key": path}) == first
        await lab.call("POST", path, {**body, "name": "else"}, 409, **{"Idempotency-Key": path})
        await lab.call("POST", path, body, 409)


async def test_a_repeated_import_with_a_revision_changes_nothing_and_is_no_conflict(lab: Lab) -> None:
    one = f"/v1/inventories/{await lab.create()}"
    body = {"content": "web2 new=1\nfresh", "mode": "merge", "rev": (await lab.call("GET", one))["rev"]}
    first = await lab.call("POST", f"{one}/import", body, **{"Idempotency-Key": "again"})
    assert await lab.call("POST", f"{one}/import", body, **{"Idempotency-Key": "again"}) == first
    refused = await lab.call("POST", f"{one}/import", {**body, "content": "x"}, 409, **{"Idempotency-Key": "again"})
    assert "different request used the same key" in refused["error"]
    await lab.call("POST", f"{one}/import", body, 409)


async def test_an_import_replaces_or_merges_and_keeps_the_ids_of_hosts(lab: Lab) -> None:
    inventory = await lab.create()
    one = f"/v1/inventories/{inventory}"
    web2 = await lab.find_host(inventory, "web2")
    merged = await lab.call("POST", f"{one}/import", {"content": "web2 new=1\nfresh", "mode": "merge"})
    assert merged["n_hosts"] == 5
    again = await lab.find_host(inventory, "web2")
    assert (again["id"], again["variables"], again["groups"]) == (web2["id"], {"rack": 7, "new": 1}, ["web"])
    listing = {"db": {"hosts": ["web2", "z"]}}
    replaced = await lab.call("POST", f"{one}/import", {"content": listing, "rev": merged["rev"]})
    assert (replaced["n_hosts"], [each["name"] for each in replaced["groups"]]) == (2, ["db"])
    again = await lab.find_host(inventory, "web2")
    assert (again["id"], again["variables"], again["groups"]) == (web2["id"], {}, ["db"])
    # The same once more changes nothing, not even the revision.
    same = await lab.call("POST", f"{one}/import", {"content": listing})
    assert same["rev"] == replaced["rev"]
    await check_counts(lab, inventory)


#: method, path, body, status, text of the error. `{one}` is an inventory, and `{id}` its id.
REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/v1/inventories", {"name": "x", "surprise": 1}, 400, "'surprise' was unexpected"),
    ("POST", "/v1/inventories", {}, 400, "'name' is a required property"),
    ("POST", "/v1/inventories", {"name": "lab"}, 409, "has an inventory 'lab' already"),
    ("POST", "/v1/inventories", {"name": "x", "content": "a\nb c\n"}, 400, "line 2: 'c' is no variable"),
    ("POST", "/v1/inventories", {"name": "x", "content": "a", "format": "toml"}, 400, "'format'"),
    ("POST", "/v1/inventories", {"name": "x", "variables": {"a b": 1}}, 400, "variable 'a b'"),
    ("POST", "/v1/inventories", {"name": "x", "organization": "south"}, 404, "no organization found"),
    ("PUT", "{one}", {"name": ""}, 400, "'name'"),
    ("PUT", "{one}/variables", {"variables": {"a": 2**70}}, 400, "must fit into 64 bits"),
    ("POST", "{one}/groups", {"name": "all"}, 400, "each inventory has this group"),
    ("POST", "{one}/groups", {"name": "g", "children": ["none"]}, 400, "its child 'none' is no group"),
    ("PUT", "{one}/groups/none/variables", {"variables": {}}, 404, "has no group 'none'"),
    ("POST", "{one}/import", {"content": "all:\n  host:\n", "format": "yaml"}, 400, "line 2: "),
    ("GET", "{one}/export?format=toml", None, 400, "'format': must be one of ini, yaml, json"),
    ("GET", "/v1/inventories/0", None, 404, "no inventory found with id: 0"),
    ("GET", "/v1/inventories/x", None, 404, "no inventory found with id: x"),
    ("GET", "/v1/hosts/99999", None, 404, "no host found with id: 99999"),
    ("POST", "/v1/hosts", {"inventory": 99999, "name": "a"}, 404, "no inventory found with id: 99999"),
    ("POST", "/v1/hosts", {"inventory": "{id}", "name": "web1"}, 409, "has a host 'web1' already"),
    ("POST", "/v1/hosts", {"inventory": "{id}", "name": "a b"}, 400, "host 'a b': a name has letters"),
    ("POST", "/v1/hosts", {"inventory": "{id}", "name": "web"}, 400, "a host has this name, too"),
    ("POST", "/v1/hosts", {"inventory": "{id}", "name": "a", "groups": ["x"]}, 400, "'x' is no group"),
    ("POST", "/v1/hosts", {"inventory": "{id}", "name": "a", "variables": {"x": "y" * 70_000}}, 400, "65536 bytes"),
]


async def test_what_does_not_fit_is_refused_with_the_reason_and_changes_nothing(lab: Lab) -> None:
    inventory = await lab.create()
    one = f"/v1/inventories/{inventory}"
    before = await lab.call("GET", one)
    for method, path, body, code, text in REFUSED:
        is_host = isinstance(body, dict) and body.get("inventory") == "{id}"
        sent = {**body, "inventory": inventory} if is_host else body
        refused = await lab.call(method, path.replace("{one}", one), sent, code)
        assert text in refused["error"], (path, body)
    assert await lab.call("GET", one) == before


async def test_two_thousand_hosts_are_imported_matched_and_exported(lab: Lab) -> None:
    text = write_inventory(make_farm(2000), InventoryForm.INI)
    inventory = await lab.create("farm", text, format="ini")
    assert (await lab.call("GET", f"/v1/inventories/{inventory}"))["n_hosts"] == 2000
    assert len(await lab.match(inventory, "host*:&label=even:!rack7")) == 1000
    assert read_inventory(await lab.call("GET", f"/v1/inventories/{inventory}/export")) == read_inventory(text)
    replaced = await lab.call("POST", f"/v1/inventories/{inventory}/import", {"content": read_sample("shop.ini")})
    assert replaced["n_hosts"] == 10
    await check_counts(lab, inventory)


async def test_an_organization_with_inventories_is_not_removed(lab: Lab) -> None:
    root = lab.world.as_user("root", ewms_role="superuser")
    await lab.world.http.put("/v1/organizations/north", json={}, headers=root)
    inventory = await lab.create()
    organizations = Organizations(lab.world.wms.store)
    with pytest.raises(Conflict, match="still has the inventory 'lab'"):
        await organizations.remove_organization(OrganizationId("north"), by="root")
    await lab.call("DELETE", f"/v1/inventories/{inventory}", code=204)
    await organizations.remove_organization(OrganizationId("north"), by="root")


async def test_the_log_of_changes_says_who_changed_what_without_values(lab: Lab) -> None:
    inventory = await lab.create()
    await lab.call("PUT", f"/v1/inventories/{inventory}/variables", {"variables": {"password": "s3cret"}})
    rows = await lab.world.wms.store.find("activity", {"kind": "inventory"}, sort=[("_id", 1)])
    assert [(row["who"], row["operation"], row["organization"]) for row in rows] == [
        ("ada", "create", "north"),
        ("ada", "update", "north"),
    ]
    assert rows[1]["changes"] == {"set_variables": ["password"]}
    assert "s3cret" not in str(rows)
