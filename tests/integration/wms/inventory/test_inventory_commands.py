"""`ewms inventory`, `ewms host` and the client's functions against a running WMS."""

import json
from pathlib import Path

import pytest

from ewms.aio import AsyncClient
from tests.commands import call_ewms
from tests.integration.wms.conftest import World
from wms.inventory.forms.form_reading import read_inventory

LAB = "bastion\n[web]\nweb[1:3] rack=7\n[prod:children]\nweb\n[web:vars]\ntier=front\n[all:vars]\ntier=none\n"


class Shell:
    """Runs the command as an admin of the organization north."""

    def __init__(self, world: World, directory: Path) -> None:
        self._directory = directory
        self._gateway = world.wms.gateway_url
        self.token = world.issuer.token("ada", groups=["/organizations/north/admin"])

    async def run(self, words: str, *more: str, status: int = 0) -> str:
        """Run `ewms` with these words, and `more` of them; return what it prints."""
        mine = ("--timeout", "2m", *words.split(), *more)
        return await call_ewms(self._gateway, self.token, *mine, status=status, directory=self._directory)


@pytest.fixture
def shell(world: World, tmp_path: Path) -> Shell:
    (tmp_path / "lab.ini").write_text(LAB)
    return Shell(world, tmp_path)


async def test_an_inventory_s_story_in_commands(shell: Shell, tmp_path: Path) -> None:
    made = await shell.run("inventory create lab lab.ini")
    assert made.split()[0].isdecimal()
    assert "lab: 4 host(s), 2 group(s), revision 0" in made
    assert "north" in await shell.run("inventory list")
    assert "prod" in await shell.run("inventory show lab")
    for form in ("ini", "yaml", "json"):
        assert read_inventory(await shell.run(f"inventory export lab --as {form}")) == read_inventory(LAB)

    await shell.run("host label lab/web1 new rack-7")
    await shell.run("host add lab db1 --label new --group prod --var port=5432")
    await shell.run("host set lab/web2 tier=own", 'ports=[80, "a"]')
    await shell.run("inventory set lab --group web size=3")
    matched = json.loads(await shell.run("inventory match lab prod:&label=new:!db1 -o json"))
    assert [each["name"] for each in matched] == ["web1"]
    assert (await shell.run("inventory match lab prod -o name")).split() == ["web1", "web2", "web3", "db1"]
    blamed = await shell.run("host blame lab/web2 tier")
    assert blamed.splitlines() == [
        "tier = own  from host web2",
        "    over front  from group web",
        "    over none  from the inventory",
    ]
    shown = json.loads(await shell.run("host show lab/web2 -o json"))
    assert shown["resolved"] == {"tier": "own", "ports": [80, "a"], "rack": 7, "size": 3}
    assert "db1" in await shell.run("host list lab --label new --group prod")

    await shell.run("host rename lab/db1 db9")
    await shell.run("host unset lab/web2 tier")
    await shell.run("host unlabel lab/web1 new")
    await shell.run("inventory group add lab spare --child web --var x=1")
    await shell.run("host join lab/bastion spare")
    assert (await shell.run("inventory match lab spare -o name")).split() == ["bastion", "web1", "web2", "web3"]
    await shell.run("host leave lab/bastion spare")
    await shell.run("inventory group nest lab prod spare")
    await shell.run("inventory group unnest lab prod spare")
    await shell.run("inventory group remove lab spare")
    await shell.run("inventory unset lab tier")
    await shell.run("host remove lab/db9")
    (tmp_path / "more.yaml").write_text("all:\n  hosts:\n    extra: {a: 1}\n")
    assert "5 host(s)" in await shell.run("inventory import lab more.yaml --merge")
    assert "it is at revision" in await shell.run("inventory import lab lab.ini --rev 0", status=5)
    assert "4 host(s)" in await shell.run("inventory import lab lab.ini")
    await shell.run("inventory delete lab")
    assert "no inventory is called 'lab'" in await shell.run("inventory show lab", status=4)


async def test_faults_are_told_with_their_lines_and_remedies(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "bad.ini").write_text("a b\n[x:what]\n")
    told = await shell.run("inventory create bad bad.ini", status=2)
    assert "line 1: 'b' is no variable" in told
    assert "line 2: [x:what] is no section" in told
    (tmp_path / "latin.ini").write_bytes(b"a # \xe4\n")
    assert "is not UTF-8: byte 5" in await shell.run("inventory create bad latin.ini", status=2)
    await shell.run("inventory create lab lab.ini")
    assert "did you mean 'web1'" in await shell.run("inventory match lab webb1", status=2)
    assert "has no host 'none'" in await shell.run("host show lab/none", status=4)
    assert "name it by its id, or as INVENTORY/NAME" in await shell.run("host show web1", status=4)
    assert "no level gives lab/web1 the variable 'x'" in await shell.run("host blame lab/web1 x", status=4)


async def test_the_client_creates_searches_and_changes(world: World, shell: Shell) -> None:
    async with AsyncClient(world.wms.gateway_url, token=shell.token, timeout=120) as ews:
        made = await ews.inventories.create("lab", content=LAB, description="for tests")
        assert [each["name"] for each in await ews.inventories.list_inventories(name="lab")] == ["lab"]
        assert [each["name"] for each in await ews.inventories.match(made["id"], "web*:!web2")] == ["web1", "web3"]
        host = await ews.hosts.add("lab", "db1", labels=["new"], variables={"port": 5432})
        assert (await ews.hosts.show_variables(host["id"]))["resolved"] == {"tier": "none", "port": 5432}
        assert [each["id"] for each in await ews.hosts.list_hosts(labels=["new"])] == [host["id"]]
        exported = await ews.inventories.export("lab", form="json", label_groups=True)
        assert json.loads(exported)["label_new"] == {"hosts": ["db1"]}
        await ews.inventories.delete("lab")
        assert await ews.inventories.list_inventories() == []
