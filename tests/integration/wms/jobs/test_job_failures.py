"""A WMS that fails at any point of a job: no host runs a task twice that may run once, and every host's end is told."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from runtime import failpoints
from runtime.clock import utc_now
from schemas.automation.jobs import JOB_HOSTS, JOB_WORKS, JOBS, JobWorkDocument
from schemas.fleet.documents import WORKFLOWS
from schemas.fleet.phases import Deactivated
from schemas.ids import WorkflowId
from tests.integration.wms.jobs.conftest import JobWorld, exit_well
from tests.waiting import eventually
from wms.fleet.ownership import Access
from wms.jobs import job_service
from wms.jobs.stored.job_store import JobStore
from wms.jobs.stored.leftover_hosts import LeftoverHosts
from wms.jobs.work import work_watch
from wms.jobs.work.work_watch import WorkWatch

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


async def test_a_job_is_planned_beside_the_event_loop_and_a_request_that_fails_leaves_no_hosts(
    jobs: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory("h[1:501]\n")
    threads: list[threading.Thread] = []
    plan_job = job_service.plan_job

    def watch_plan(*args: Any, **kwargs: Any) -> Any:
        threads.append(threading.current_thread())
        return plan_job(*args, **kwargs)

    monkeypatch.setattr(job_service, "plan_job", watch_plan)
    too_many = await jobs.start(400, task=task, inventory=inventory, serial=[1])
    assert "'serial': makes 501 batches" in too_many["error"]

    fail_once(monkeypatch, "jobs.hosts_added")
    await jobs.start(500, task=task, inventory=inventory)
    store = jobs.world.wms.store
    assert (await store.count(JOB_HOSTS, {}), (await jobs.send("GET", "/jobs")).json()["jobs"]) == (0, [])
    over = await jobs.until_over((await jobs.start(task=task, inventory=inventory, limit="h1:h2"))["id"])
    assert over["hosts"] == {"ok": 2}
    assert threading.main_thread() not in threads
    assert len(threads) == 3

    # A WMS that dies in between leaves hosts. They go when they have had no job for a whole sweep.
    await store.insert_new(JOB_HOSTS, [{"_id": "x/0", "job": "x", "place": 0, "batch": 0, "name": "h1"}])
    leftovers = LeftoverHosts(JobStore(store))
    for n_hosts in (3, 2, 2):
        await leftovers.sweep()
        assert await store.count(JOB_HOSTS, {}) == n_hosts


async def test_a_work_that_fails_keeps_no_other_waiting_and_ends_without_its_queues(
    jobs: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory(LAB)
    jobs.answers = lambda task, host: None if task == "stuck" else exit_well(task, host)
    bad = await jobs.start(task=await jobs.add_task("stuck"), inventory=inventory)
    store = jobs.world.wms.store
    (work,) = await eventually(lambda: store.find(JOB_WORKS, {"n_fed": 3}), lambda found: len(found) == 1)
    follow_work = WorkWatch._follow_work

    async def fail(watch: WorkWatch, each: JobWorkDocument) -> None:
        if each.id == work["_id"]:
            raise ValueError("a fault of the program")
        await follow_work(watch, each)

    with monkeypatch.context() as broken:
        broken.setattr(WorkWatch, "_follow_work", fail)
        over = await jobs.until_over((await jobs.start(task=task, inventory=inventory))["id"])
        assert over["hosts"] == {"ok": 3}

    # The queues of the first job are gone before WMS consumes them again.
    monkeypatch.setattr(work_watch, "_RENEW_S", 0.0)
    async with jobs.connection.lend_channel() as channel:
        for alias in ("outcomes", "logs"):
            await channel.queue_delete(jobs.queues[work["_id"]][alias])
    await jobs.send("POST", f"/jobs/{bad['id']}/actions/cancel")
    over = await jobs.until_over(bad["id"])
    assert (over["status"], over["hosts"]) == ("canceled", {"error": 3})


async def test_a_work_that_cannot_be_read_keeps_no_other_waiting_and_its_job_says_so(jobs: JobWorld) -> None:
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory(LAB)
    jobs.answers = lambda task, host: None if task == "stuck" else exit_well(task, host)
    bad = await jobs.start(task=await jobs.add_task("stuck"), inventory=inventory)
    store = jobs.world.wms.store
    (work,) = await eventually(lambda: store.find(JOB_WORKS, {"n_fed": 3}), lambda found: len(found) == 1)
    for fields in ({"places": "all"}, {"places": work["places"]}):
        await store.bulk_update(JOB_WORKS, [({"_id": work["_id"]}, {"$set": fields})])
        over = await jobs.until_over((await jobs.start(task=task, inventory=inventory))["id"])
        assert over["hosts"] == {"ok": 3}
        is_broken = fields["places"] == "all"
        await eventually(
            lambda: jobs.get(bad["id"]), lambda job, shown=is_broken: ("cannot read" in job["explanation"]) == shown
        )
    assert (await jobs.send("POST", f"/jobs/{bad['id']}/actions/cancel")).status_code == 202
    await jobs.until_over(bad["id"])


async def test_a_canceled_job_leaves_no_workflow_that_wms_had_requested_before_a_crash(
    jobs: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory(LAB)
    monkeypatch.setattr(failpoints, "_state", {"armed": [failpoints._Armed("jobs.requested", "raise", 1)] * 50})
    made = await jobs.start(task=task, inventory=inventory)
    store = jobs.world.wms.store
    await eventually(lambda: store.count(WORKFLOWS, {}), lambda n_workflows: n_workflows == 1)
    assert await store.count(JOB_WORKS, {}) == 0
    await jobs.send("POST", f"/jobs/{made['id']}/actions/cancel")
    assert (await jobs.until_over(made["id"]))["hosts"] == {"canceled": 3}
    await eventually(lambda: store.count(WORKFLOWS, {"deactivated": None}), lambda n_open: n_open == 0)


async def test_a_job_out_of_time_ends_and_says_so_of_each_host_that_has_not_answered(jobs: JobWorld) -> None:
    tasks, inventory = [await jobs.add_task(name) for name in ("drain", "patch")], await jobs.add_inventory(LAB)
    jobs.answers = lambda task, host: None if host == "web2" else exit_well(task, host)
    made = await jobs.start(tasks=tasks, inventory=inventory, timeout_s=3600)
    store = jobs.world.wms.store
    await eventually(lambda: store.count(JOB_HOSTS, {"states.0": "ok"}), lambda n_answers: n_answers == 2)
    await eventually(lambda: ("drain", "web2") in jobs.runs)
    # An hour goes by.
    begun_at = utc_now() - timedelta(hours=1)
    await store.bulk_update(JOBS, [({"_id": made["id"]}, {"$set": {"created_at": begun_at}})])
    over = await jobs.until_over(made["id"])
    assert (over["status"], over["timeout_s"], over["hosts"]["error"]) == ("error", 3600, 1)
    host = (await jobs.send("GET", f"/jobs/{made['id']}/hosts/web2")).json()
    assert "the job's time limit of 3600 s was over" in host["results"][0]["reason"]
    assert {task for task, _ in jobs.runs} == {"drain"}
    await eventually(lambda: store.count(WORKFLOWS, {"over_at": None}), lambda n_open: n_open == 0)
    jobs.answers = exit_well
    again = (await jobs.send("POST", f"/jobs/{made['id']}/actions/rerun", {})).json()
    assert (again["timeout_s"], again["n_hosts"]) == (3600, 1)
    await jobs.until_over(again["id"])
