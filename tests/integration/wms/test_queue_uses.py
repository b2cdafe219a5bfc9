"""Asking the gateway for one queue, for a purpose: what it gives, and what it says where that cannot be."""

from typing import Any

import httpx2

from schemas.fleet.objects import MQProfile
from schemas.ids import Alias, Mqid, WorkflowId
from tests.integration.wms.conftest import World


def profile(workflow_id: str, queue: str, alias: str) -> MQProfile:
    return MQProfile(
        mqid=Mqid(queue),
        workflow_id=WorkflowId(workflow_id),
        timestamp=1.5,
        alias=Alias(alias),
        is_public=True,
        is_activated=True,
        auth_token=f"token of {alias}",
        broker_type="rabbitmq",
        broker_address="user@broker:5672/ewms",
    )


async def asked(world: World, workflow_id: str, question: str, *, subject: str = "ada") -> httpx2.Response:
    return await world.get(f"/v1/mqs/workflows/{workflow_id}/mq-profiles/public{question}", subject=subject)


def refused(answer: httpx2.Response, code: int, error: str) -> None:
    assert (answer.status_code, answer.json()) == (code, {"code": code, "error": error})
    assert answer.reason_phrase == error


async def test_a_queue_is_given_for_what_it_is_for_and_refused_by_name_for_the_rest(world: World) -> None:
    made = await world.submit()
    workflow_id, task = made["workflow"]["workflow_id"], made["task_directives"][0]
    await world.in_phase(made["taskforces"][0]["taskforce_uuid"], "condor-submit")
    aliases: list[str] = [p["alias"] for p in (await asked(world, workflow_id, "")).json()["mqprofiles"]]
    inlet, outlet = aliases
    world.mqs.profiles = [
        profile(workflow_id, task["input_queues"][0], inlet),
        profile(workflow_id, task["output_queues"][0], outlet),
    ]

    def aliases_in(answer: httpx2.Response) -> list[Any]:
        return [p["alias"] for p in answer.json()["mqprofiles"]]

    assert aliases_in(await asked(world, workflow_id, f"?alias={inlet}&to=publish")) == [inlet]
    assert aliases_in(await asked(world, workflow_id, f"?alias={outlet}&to=consume")) == [outlet]
    answer = await asked(world, workflow_id, f"?alias={inlet}&to=consume")
    refused(
        answer,
        422,
        f"queue '{inlet}' of {workflow_id} is for publishing onto: only the workflow's tasks may take events from it",
    )
    assert answer.headers["x-ewms-hint"] == f"consume from '{outlet}'"
    refused(await asked(world, workflow_id, "?alias=x&to=drain"), 400, "'to': must be one of 'publish', 'consume'")
    missing = f"no public queue 'nothing' found of workflow with id: {workflow_id}"
    refused(await asked(world, workflow_id, "?alias=nothing"), 404, missing)
    # To a stranger a workflow that is there and one that is not are the same, whatever is asked.
    for question in (f"?alias={inlet}&to=consume", f"?alias={inlet}&to=publish", f"?alias={inlet}"):
        for where in (workflow_id, "WF-0-0"):
            stranger = await asked(world, where, question, subject="eve")
            refused(stranger, 404, f"no public queue '{inlet}' found of workflow with id: {where}")

    await world.post(f"/v1/workflows/{workflow_id}/actions/finished")
    refused(
        await asked(world, workflow_id, f"?alias={inlet}&to=publish"),
        422,
        f"queue '{inlet}' of {workflow_id} takes no more events: the workflow is finished",
    )
    assert aliases_in(await asked(world, workflow_id, f"?alias={outlet}&to=consume")) == [outlet]
    assert aliases_in(await asked(world, workflow_id, "")) == [inlet, outlet], "the contract's own answer stays"
