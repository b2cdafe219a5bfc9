"""A WMS that fails at any point of a job: no host runs a task twice that may run once, and every host's end is told."""

import pytest

from runtime import failpoints
from schemas.ids import WorkflowId
from schemas.jobs import JOB_WORKS
from schemas.phases import Deactivated
from tests.integration.wms.jobs.conftest import JobWorld
from tests.waiting import eventually
from wms.fleet.ownership import Access

LAB = "[web]\nweb[1:3]\n"


def fail_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the next pass of a failpoint raise."""
    armed = failpoints._Armed(name, "raise", 1)
    monkeypatch.setattr(failpoints, "_state", {"armed": [armed]})


async def test_a_failure_at_any_point_runs_no_host_twice_and_loses_none(
    jobs: JobWorld, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    task, inventory = await jobs.add_task("reboot"), await jobs.add_inventory(LAB)
    for point in ("jobs.fed", "jobs.taken", "jobs.judged", "jobs.requested"):
        with subtests.test(point):
            jobs.runs.clear()
            fail_once(monkeypatch, point)
            over = await jobs.until_over((await jobs.start(task=task, inventory=inventory))["id"])
            assert (over["status"], over["hosts"]) == ("successful", {"ok": 3})
            assert sorted(jobs.runs) == [("reboot", host) for host in ("web1", "web2", "web3")]


async def test_hosts_that_were_noted_and_never_published_are_errors_and_an_idempotent_task_tries_again(
    jobs: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await jobs.add_task("reboot")
    safe = await jobs.add_task("audit", recipe={"idempotent": True})
    inventory = await jobs.add_inventory(LAB)
    fail_once(monkeypatch, "jobs.feeding")
    made = await jobs.start(task=task, inventory=inventory)
    store = jobs.world.wms.store
    (work,) = await eventually(lambda: store.find(JOB_WORKS, {"n_fed": 3}), lambda found: len(found) == 1)
    operator = Access("ops", everything=True)
    await jobs.world.wms.fleet.deactivate_workflow(WorkflowId(work["_id"]), Deactivated.ABORTED, operator)
    over = await jobs.until_over(made["id"])
    assert (over["status"], over["hosts"], jobs.runs) == ("error", {"error": 3}, [])
    host = (await jobs.send("GET", f"/jobs/{made['id']}/hosts/web1")).json()
    assert "somebody aborted the workflow" in host["results"][0]["reason"]

    fail_once(monkeypatch, "jobs.fed")
    over = await jobs.until_over((await jobs.start(task=safe, inventory=inventory))["id"])
    assert (over["status"], over["hosts"]) == ("successful", {"ok": 3})
    assert set(jobs.runs) == {("audit", host) for host in ("web1", "web2", "web3")}
