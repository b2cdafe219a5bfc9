"""C30: `ewms job` and the saved workflows of `ewms craton` against a running WMS."""

import json

from schemas.pilot.outcomes import RunEnding
from tests.commands import call_ewms
from tests.integration.wms.jobs.conftest import JobWorld

LAB = "[web]\nweb[1:3]\n"


async def run_command(jobs: JobWorld, *words: str, status: int = 0) -> str:
    """Run `ewms` with these words as a member; return what it prints."""
    token = jobs.sign_in("ada/north/member")["Authorization"].removeprefix("Bearer ")
    return await call_ewms(jobs.world.wms.gateway_url, token, *words, status=status)


async def test_c30_c32_a_saved_workflow_runs_is_watched_and_runs_again_by_commands(jobs: JobWorld) -> None:
    first, second = await jobs.add_task("drain"), await jobs.add_task("patch")
    await jobs.add_inventory(LAB)
    made = await run_command(jobs, "craton", "workflow-create", "night", str(first), str(second), "--set", "a=1")
    saved = made.split()[0]
    assert "night" in await run_command(jobs, "craton", "workflow-list")

    jobs.answers = lambda task, host: (RunEnding.EXITED, int((task, host) == ("patch", "web2")))
    words = ("--on", "lab", "--workflow", saved, "--set", "version=1.2", "--payload", '{"b": 2}', "--watch")
    watched = await run_command(jobs, "job", "run", *words, status=1)
    assert "1. drain successful: 3 ok" in watched
    assert "2. patch failed: 2 ok, 1 failed" in watched
    listed = json.loads(await run_command(jobs, "-o", "json", "job", "list"))
    (job,) = [each["id"] for each in listed["jobs"]]
    shown = json.loads(await run_command(jobs, "-o", "json", "job", "show", str(job)))
    assert shown["payload"] == {"a": 1, "version": 1.2, "b": 2}
    hosts = await run_command(jobs, "job", "hosts", str(job), "--state", "failed")
    assert "web2" in hosts
    assert "web1" not in hosts

    logs = await run_command(jobs, "job", "logs", str(job), "--host", "web2", "--follow")
    assert logs == "drain on web2\ndone\npatch on web2\ndone\n"
    named = await run_command(jobs, "job", "logs", str(job), "--task", "2")
    assert sorted(named.splitlines()) == sorted(
        f"{host} 2 | {text}" for host in ("web1", "web2", "web3") for text in (f"patch on {host}", "done")
    )

    jobs.answers = lambda task, host: (RunEnding.EXITED, 0)
    again = await run_command(jobs, "job", "rerun", str(job), "--watch")
    assert "1 ok" in again
    refused = await run_command(jobs, "job", "run", str(first), "--on", "lab", "--payload", "[]", status=2)
    assert "--payload" in refused
