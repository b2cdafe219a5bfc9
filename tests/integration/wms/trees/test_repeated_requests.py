"""`Idempotency-Key` on POSTs of nodes, approvals, surveys and decisions: a repeated request takes effect once."""

import asyncio
from typing import Any

from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx
from tests.waiting import eventually

__all__ = ["awx"]


async def post(awx: AwxWorld, path: str, body: Any, *, key: str, code: int = 201, subject: str = "ada") -> Any:
    headers = awx.world.as_user(subject, groups=["/organizations/default/admin"])
    answer = await awx.world.http.post(f"{V2}{path}", headers={**headers, "Idempotency-Key": key}, json=body)
    assert answer.status_code == code, answer.text
    return answer.json() if answer.content else None


async def test_a_repeated_post_makes_one_node_one_approval_and_one_survey(awx: AwxWorld) -> None:
    tree = await awx.make_tree()
    nodes = f"/workflow_job_templates/{tree}/workflow_nodes/"
    body = {"identifier": "a"}
    one = await post(awx, nodes, body, key="node")
    again = await asyncio.gather(*(post(awx, nodes, body, key="node") for _ in range(3)))
    assert {each["id"] for each in again} == {one["id"]}
    await post(awx, nodes, {"identifier": "b"}, key="node", code=409)
    below = f"/workflow_job_template_nodes/{one['id']}/success_nodes/"
    child = await post(awx, below, {"identifier": "c"}, key="child")
    assert (await post(awx, below, {"identifier": "c"}, key="child"))["id"] == child["id"]
    assert (await awx.ada.get(nodes))["count"] == 2
    approval = f"/workflow_job_template_nodes/{child['id']}/create_approval_template/"
    made = await post(awx, approval, {"name": "Sign"}, key="approval")
    assert (await post(awx, approval, {"name": "Sign"}, key="approval"))["id"] == made["id"]
    assert (await awx.ada.get("/workflow_approval_templates/"))["count"] == 1
    survey = {"name": "s", "description": "", "spec": [{"variable": "v", "question_name": "V", "type": "text"}]}
    survey["spec"][0]["required"] = False  # type: ignore[index]
    path = f"/workflow_job_templates/{tree}/survey_spec/"
    await post(awx, path, survey, key="survey", code=200)
    await awx.ada.call("DELETE", f"{V2}{path}")
    await post(awx, path, survey, key="survey", code=200)
    assert await awx.ada.get(path) == {}, "the repeated request took effect a second time"


async def test_a_repeated_decision_is_no_second_one(awx: AwxWorld) -> None:
    tree = await awx.make_tree()
    node = await awx.add_node(tree)
    await awx.ada.post(f"/workflow_job_template_nodes/{node}/create_approval_template/", {"name": "Sign"})
    await awx.ada.post(f"/workflow_job_templates/{tree}/launch/")

    async def find_pending() -> list[Any]:
        return list((await awx.ada.get("/workflow_approvals/?status=pending"))["results"])

    [pending] = await eventually(find_pending)
    path = f"/workflow_approvals/{pending['id']}"
    await post(awx, f"{path}/approve/", {"comment": "x"}, key="yes", code=204)
    await post(awx, f"{path}/approve/", {"comment": "x"}, key="yes", code=204)
    await post(awx, f"{path}/deny/", {"comment": "x"}, key="yes", code=400)
    await post(awx, f"{path}/approve/", {"comment": "x"}, key="other", code=400)
