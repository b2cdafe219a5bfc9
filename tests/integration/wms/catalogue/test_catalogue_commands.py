"""C19, C24, C30: `ewms catalogue`, `ewms craton task-show` and the client's `catalogue` against a running WMS."""

import json
from pathlib import Path

import pytest

from ewms.aio import AsyncClient
from ewms.errors import AlreadyThere, NotThere, TimedOut
from tests.commands import call_ewms
from tests.integration.wms.catalogue.building import COMMITS
from tests.integration.wms.catalogue.conftest import GIT, TaskWorld
from tests.waiting import PATIENCE_S


async def run_command(world: TaskWorld, *words: str, status: int = 0, caller: str = "ada/north/admin") -> str:
    """Run `ewms` with these words; return what it prints."""
    token = world.sign_in(caller)["Authorization"].removeprefix("Bearer ")
    return await call_ewms(world.wms.gateway_url, token, *words, status=status)


async def test_c19_c30_a_task_from_its_registration_to_its_deletion_by_commands(
    task_world: TaskWorld, tmp_path: Path
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    made = await run_command(
        task_world,
        *("catalogue", "create", "task1", "--git", GIT, "--ref", "main", "--command", "python '/craton/task 1.py'"),
        *("--memory", "1G", "--max-runtime", "10m", "--parameters", str(schema), "--cluster", "osg"),
        *("--network", "pypi.example.org", "--idempotent"),
    )
    task = int(made.split()[0])
    looked = await task_world.until_looked(task)
    version = looked["versions"][0]
    assert version["command"] == ["python", "/craton/task 1.py"]
    assert (version["resources"]["max_runtime_s"], version["resources"]["memory"]) == (600, 1024**3)
    assert (version["parameters"], version["network"]) == ({"type": "object"}, ["pypi.example.org"])
    shown = await run_command(task_world, "catalogue", "show", str(task))
    assert f"next: ewms catalogue approve {task} --commit {COMMITS[0]}" in shown
    wrong = await run_command(task_world, "catalogue", "approve", str(task), "--commit", COMMITS[1], status=5)
    assert "has another commit" in wrong
    unnamed = await run_command(task_world, "catalogue", "approve", str(task), status=2)
    assert f"add --commit {COMMITS[0]}" in unnamed
    approve = ("catalogue", "approve", str(task), "--commit", COMMITS[0])
    assert "version 1  Building" in await run_command(task_world, *approve)
    # None waits any more: the server says so.
    assert "the version is" in await run_command(task_world, "catalogue", "approve", str(task), status=5)
    log = await run_command(task_world, "catalogue", "log", str(task), "--follow")
    assert log == "STEP 1: FROM scratch\nSTEP 2: COPY . /task\n"
    await task_world.until_status(task, "Ready")
    table = (await run_command(task_world, "craton", "task-show", str(task))).splitlines()
    assert table[0] == table[2] == table[4] == "-" * len(table[1])
    assert [cell.strip() for cell in table[1].strip("|").split("|")][0:3] == ["id", "name", "location"]
    cells = [cell.strip() for cell in table[3].strip("|").split("|")]
    assert cells[:3] == [str(task), "task1", "github.com/sulochan/craton_tasks@main"]
    assert cells[-1] == "Ready"
    data = json.loads(await run_command(task_world, "-o", "json", "craton", "task-show", str(task)))
    assert (data["id"], data["status"]) == (task, "Ready")
    assert "task1" in await run_command(task_world, "catalogue", "list", "--status", "ready")
    shared = await run_command(
        task_world, "catalogue", "update", str(task), "--visibility", "roles", "--role", "org-member", "--disable"
    )
    assert "for org-member" in shared
    assert "Disabled" in shared
    assert str(task) in await run_command(task_world, "-o", "name", "catalogue", "list", caller="bob/north/member")
    await run_command(
        task_world, "catalogue", "update", str(task), "--description", "x", status=4, caller="eve/south/member"
    )
    assert "nothing to change" in await run_command(task_world, "catalogue", "update", str(task), status=2)
    assert "/webhook" in await run_command(task_world, "catalogue", "webhook", str(task))
    await run_command(task_world, "catalogue", "delete", str(task))
    await run_command(task_world, "catalogue", "show", str(task), status=4)


async def test_c30_the_client_waits_for_what_the_builder_does(task_world: TaskWorld) -> None:
    token = task_world.sign_in("ada/north/admin")["Authorization"].removeprefix("Bearer ")
    fields = {"name": "t", "organization": "north", "location": {"git": GIT}, "command": ["x"]}
    async with AsyncClient(task_world.wms.gateway_url, token=token, timeout=60) as ews:
        task = (await ews.catalogue.create({**fields, "cluster_locations": ["osg"]})).id
        assert (await ews.catalogue.wait(task, timeout=PATIENCE_S)).status == "Pending approval"
        with pytest.raises(AlreadyThere, match="is not Ready"):
            await ews.catalogue.find_runnable(task)
        task_world.build.may_build.clear()
        await ews.catalogue.approve(task, commit=COMMITS[0])
        with pytest.raises(TimedOut, match="is Building still"):
            await ews.catalogue.wait(task, timeout=0.3)
        task_world.build.may_build.set()
        assert (await ews.catalogue.wait(task, timeout=PATIENCE_S)).status == "Ready"
        assert (await ews.catalogue.find_runnable(task)).version == 1
        await ews.catalogue.update(task, {"command": ["y"]})
        assert (await ews.catalogue.wait(task, timeout=PATIENCE_S)).latest_version == 2
        assert (await ews.catalogue.reject(task, reason="no")).versions[0].status == "Rejected"
        await ews.catalogue.rebuild(task, new_version=True)
        assert (await ews.catalogue.wait(task, timeout=PATIENCE_S)).latest_version == 3
        assert [each.id for each in await ews.catalogue.list_all(name="t")] == [task]
        await ews.catalogue.share(task, "public")
        await ews.catalogue.disable(task)
        assert (await ews.catalogue.enable(task)).status == "Ready"
        key = (await ews.catalogue.show_webhook(task)).key
        assert (await ews.catalogue.show_webhook(task, renew=True)).key != key
        await ews.catalogue.disable(task)
        await ews.catalogue.delete(task)
        with pytest.raises(NotThere):
            await ews.catalogue.show(task)
