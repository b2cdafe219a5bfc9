"""Jobs over REST: lists by time, how long a job has been going on, and which path cancels what."""

from typing import Any

from schemas.engine.runs import NodeError, Outcome
from tests.integration.wms.engine.conftest import define
from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx
from tests.waiting import eventually

__all__ = ["awx"]


async def test_jobs_are_found_by_time_and_canceled_by_their_own_path(awx: AwxWorld) -> None:
    ada = awx.ada
    build = await awx.make_job("build")
    tree = await awx.make_tree()
    await awx.add_node(tree, unified_job_template=build)
    run = (await ada.post(f"/workflow_job_templates/{tree}/launch/"))["id"]
    job = await awx.trees.until_job(run, 0)
    [node] = (await ada.get(f"/workflow_jobs/{run}/workflow_nodes/"))["results"]
    assert node["summary_fields"]["job"]["elapsed"] >= 0
    for name, count in (
        ("created__gt=2026-01-01", 1),
        ("created__lt=2026-01-01T00:00:00Z", 0),
        ("started__lte=2126-01-01", 1),
        ("finished__isnull=true", 1),
    ):
        assert (await ada.get(f"/workflow_jobs/?{name}"))["count"] == count, name
    assert (await ada.get("/workflow_job_templates/?modified__gte=2026-01-01"))["count"] == 1
    assert "is no time" in (await ada.get("/workflow_jobs/?created__gt=soon", code=400))["detail"]
    await ada.post(f"/jobs/{run}/cancel/", code=404)
    await ada.post(f"/workflow_jobs/{job.id}/cancel/", code=404)
    assert (await ada.get(f"/workflow_jobs/{run}/"))["status"] == "running"
    await ada.post(f"/jobs/{job.id}/cancel/", code=202)
    assert (await awx.trees.until_over(job.id)).status == "canceled"


async def test_a_repeated_request_takes_effect_once_and_a_job_does_not_point_to_a_template_that_is_gone(
    awx: AwxWorld,
) -> None:
    ada, once = awx.ada, Keyed(awx)
    body = {"name": "release", "organization": "default"}
    tree = (await once.post("/workflow_job_templates/", body, key="a"))["id"]
    assert (await once.post("/workflow_job_templates/", body, key="a"))["id"] == tree
    copy = (await once.post(f"/workflow_job_templates/{tree}/copy/", {"name": "copy"}, key="b"))["id"]
    assert (await once.post(f"/workflow_job_templates/{tree}/copy/", {"name": "copy"}, key="b"))["id"] == copy
    assert (await ada.get("/workflow_job_templates/"))["count"] == 2
    run = (await ada.post(f"/workflow_job_templates/{copy}/launch/"))["id"]
    await awx.trees.until_over(run)
    again = (await once.post(f"/workflow_jobs/{run}/relaunch/", {}, key="c"))["id"]
    assert (await once.post(f"/workflow_jobs/{run}/relaunch/", {}, key="c"))["id"] == again
    await awx.trees.until_over(again)
    assert (await ada.get("/workflow_jobs/"))["count"] == 2
    shown = await ada.get(f"/workflow_jobs/{run}/")
    assert shown["unified_job_template"] == copy
    await ada.call("DELETE", f"{V2}/workflow_job_templates/{copy}/", code=204)
    shown = await ada.get(f"/workflow_jobs/{run}/")
    assert (shown["unified_job_template"], "workflow_job_template" in shown["related"]) == (None, False)


async def test_a_tree_whose_process_has_halted_tells_which_one_and_what_to_do(awx: AwxWorld) -> None:
    worker = await awx.trees.engine.add_worker("w2", define("stuck", "do-stuck"))
    ada = awx.ada
    stuck, build = await awx.make_job("stuck"), await awx.make_job("build")
    inner, outer = await awx.make_tree("inner"), await awx.make_tree("outer")
    await awx.add_node(inner, unified_job_template=stuck)
    await awx.add_node(outer, unified_job_template=inner)
    await awx.add_node(outer, unified_job_template=build)
    run = (await ada.post(f"/workflow_job_templates/{outer}/launch/"))["id"]
    order = await worker.hear("do-stuck")
    assert (await ada.get(f"/workflow_jobs/{run}/"))["job_explanation"] == ""
    await worker.end(order, Outcome.FAILED, error=NodeError(error_class="Broken", message="no disk"))

    async def find_explained() -> dict[str, str]:
        jobs = (await ada.get("/unified_jobs/"))["results"]
        return {each["name"]: each["job_explanation"] for each in jobs if each["job_explanation"]}

    explained = await eventually(find_explained)
    assert set(explained) == {"outer", "inner", "stuck"}
    assert len(set(explained.values())) == 1
    assert "has halted at step 'do-stuck': no disk. Resume it, or abort it" in explained["outer"]
    assert (await ada.get(f"/workflow_jobs/{run}/"))["status"] == "running"
    assert (await ada.get("/jobs/?name=build"))["results"][0]["job_explanation"] == ""

    why = await ada.get(f"/workflow_jobs/{run}/explain/")
    assert (why["kind"], why["id"], why["name"], why["standing"]) == ("tree", str(run), "outer", "running")
    halted, failed = why["causes"][:2]
    assert (halted["cause"], halted["node"]) == ("run-halted", "inner / stuck")
    assert halted["command"].startswith("ewms process retry ")
    assert (failed["cause"], failed["text"]) == (
        "step-failed",
        "inner / stuck / do-stuck: failed: Broken: no disk",
    )
    build_job = (await ada.get("/jobs/?name=build"))["results"][0]["id"]
    await ada.get(f"/workflow_jobs/{build_job}/explain/", code=404)
    await ada.get("/workflow_jobs/999999/explain/", code=404)


class Keyed:
    """Posts as an admin with an `Idempotency-Key`."""

    def __init__(self, awx: AwxWorld) -> None:
        self._world = awx.world

    async def post(self, path: str, body: Any, *, key: str) -> Any:
        headers = self._world.as_user("ada", groups=["/organizations/default/admin"])
        answer = await self._world.http.post(f"{V2}{path}", headers={**headers, "Idempotency-Key": key}, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()
