"""Processes over REST on the real engine, with a real step worker that evaluates forms and calls steps."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.clock import stored_now
from runtime.kernel.store import Store
from schemas.engine.graph import Definition, Node, make_chain
from schemas.engine.run_documents import INPUTS, RUNS
from schemas.engine.subscriptions import SUBSCRIPTIONS, ProductDocument, SubscriptionDocument, SubscriptionLifecycle
from schemas.ids import NodeKey, RunId
from tests.integration.wms.engine.conftest import EngineWorld
from tests.integration.wms.engine.rest_story import RestStory, open_story
from tests.integration.wms.peers import Issuer
from tests.waiting import eventually
from wms.engine import input_repository, repository
from wms.processes.subscriptions.subscription_documents import make_insert

MODULE = "tests.integration.wms.engine.diary"
PAGES = [{"name": "ams-1", "amount": 3}, {"is_sure": True}]


@pytest.fixture
async def story(
    engine_world: EngineWorld,
    rabbitmq: RabbitMQ,
    control_vhost: str,
    issuer: Issuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[RestStory]:
    (tmp_path / "diary").touch()
    monkeypatch.setenv("DIARY", str(tmp_path / "diary"))
    async with open_story(engine_world, rabbitmq, control_vhost, issuer, [MODULE], kind=RestStory) as opened:
        yield opened


async def test_o13_r1_r17_each_refusal_of_a_start_has_its_code_and_leaves_nothing(story: RestStory) -> None:
    first = await story.send("POST", "/processes/ask_first", [])
    assert first.status_code == 510
    assert first.json()["type"] == "FormNotCompleteError"
    assert set(first.json()["form"]["properties"]) == {"name", "amount"}
    assert {"detail", "title", "status", "meta"} <= first.json().keys()
    second = await story.send("POST", "/processes/ask_first", PAGES[:1])
    assert set(second.json()["form"]["properties"]) == {"is_sure"}
    invalid = await story.send("POST", "/processes/ask_first", [{"name": "a", "amount": "many"}])
    assert (invalid.status_code, invalid.json()["type"]) == (400, "FormValidationError")
    assert invalid.json()["validation_errors"][0]["loc"] == ["amount"]
    overflow = await story.send("POST", "/processes/ask_first", [*PAGES, {}])
    assert (overflow.status_code, overflow.json()["type"]) == (400, "FormOverflowError")
    assert (await story.send("POST", "/processes/ask_first", PAGES, subject="mallory")).status_code == 403
    unknown = await story.send("POST", "/processes/no_such_workflow", [{}])
    assert (unknown.status_code, "no_such_workflow" in unknown.json()["detail"]) == (404, True)
    sunday = await story.send("POST", "/processes/never_start", [{}])
    assert (sunday.status_code, sunday.json()["detail"]) == (412, "not on Sundays")
    assert (await story.send("POST", "/processes/ask_first", {"name": "a"})).status_code == 422
    tried = await story.send("POST", "/forms/ask_first", PAGES)
    assert (tried.status_code, tried.json()["name"]) == (200, "ams-1")
    assert await story.world.wms.store.count(RUNS, {}) == 0


async def test_o2_o5_r2_r4_r7_to_r10_a_process_is_suspended_resumed_failed_retried_and_its_steps_are_all_there(
    story: RestStory,
) -> None:
    process_id = await story.start("ask_first", PAGES)
    process = await story.until_status(process_id, "suspended")
    assert process["last_step"] == "Approve"
    assert set(process["form"]["properties"]) == {"approved_by", "about"}
    assert [step["status"] for step in process["steps"]] == ["success", "success", "suspend", "pending", "pending"]
    assert process["current_state"]["name"] == "ams-1"

    bad = await story.send("PUT", f"/processes/{process_id}/resume", [{"approved_by": []}])
    assert (bad.status_code, bad.json()["type"]) == (400, "FormValidationError")
    wanting = await story.send("PUT", f"/processes/{process_id}/resume", [])
    assert wanting.status_code == 510
    again = (await story.send("GET", f"/processes/{process_id}")).json()
    assert (again["status"], again["steps"]) == ("suspended", process["steps"]), "a bad page leaves no trace"
    assert (await story.send("PUT", f"/processes/{process_id}/resume", [{}], subject="eve")).status_code == 403

    assert (await story.send("PUT", f"/processes/{process_id}/resume", [{"approved_by": "bob"}])).status_code == 204
    process = await story.until_status(process_id, "inconsistent_data")
    assert (process["assignee"], process["failed_reason"]) == ("NOC", "the first time it breaks")
    assert "AssertionError" in process["traceback"]
    assert [step["status"] for step in process["steps"]][-2:] == ["failed", "pending"]
    counts = (await story.send("GET", "/processes/status-counts")).json()
    assert counts["task_counts"] == {"inconsistent_data": 1}
    listed = await story.send("GET", "/processes?filter=workflow_name,ask_first,last_status,inconsistent_data")
    assert [one["process_id"] for one in listed.json()] == [process_id]

    answer = await story.send("PUT", "/processes/resume-all")
    assert (answer.status_code, answer.json()) == (200, {"count": 1})
    process = await story.until_status(process_id, "completed")
    statuses = [step["status"] for step in process["steps"]]
    assert statuses == ["success", "success", "success", "failed", "success", "complete"]
    assert process["steps"][2]["state_delta"] == {"approved_by": "bob", "about": "ams-1"}
    assert (await story.send("PUT", f"/processes/{process_id}/resume")).status_code == 409
    assert (await story.send("PUT", f"/processes/{process_id}/abort")).status_code == 409
    assert (await story.send("DELETE", f"/processes/{process_id}")).status_code == 204
    assert (await story.send("GET", f"/processes/{process_id}")).status_code == 404


async def test_r5_r6_r11_a_callback_is_answered_by_its_token_alone_and_notes_are_in_the_log(story: RestStory) -> None:
    process_id = await story.start("call_out", [{}])
    process = await story.until_status(process_id, "awaiting_callback")
    route = process["current_state"]["route"].removeprefix("/api")
    wrong = f"{route.rpartition('/')[0]}/wrong"
    assert (await story.send("POST", wrong, {"ok": True})).status_code == 404
    assert (await story.send("POST", f"{route}/progress", {"done": 50})).status_code == 200
    shown = (await story.send("GET", f"/processes/{process_id}")).json()
    assert [step["progress"] for step in shown["steps"] if step["status"] == "awaiting_callback"] == [{"done": 50}]
    assert (await story.send("POST", route, {"ok": True})).status_code == 200
    process = await story.until_status(process_id, "completed")
    assert process["current_state"]["checked"] is True
    assert (await story.send("POST", route, {"ok": False})).status_code == 409
    for note, who in (("looked at it", "ada"), ("", "bob")):
        noted = await story.send("PATCH", f"/processes/{process_id}", {"note": note}, subject=who)
        assert (noted.status_code, noted.json()["note"]) == (200, note or None)
    acts = (await story.send("GET", f"/processes/{process_id}")).json()["acts"]
    assert [(one["act"], one["who"], one["why"]) for one in acts[-2:]] == [
        ("note", "ada", "looked at it"),
        ("note", "bob", ""),
    ]


async def test_r3_r15_r16_a_locked_engine_and_a_dead_pool_answer_503(story: RestStory) -> None:
    process_id = await story.start("ask_first", PAGES)
    await story.until_status(process_id, "suspended")
    locked = await story.send("PUT", "/settings/status", {"global_lock": True})
    assert locked.json()["global_status"] in ("PAUSED", "PAUSING")
    assert (await story.send("POST", "/processes/ask_first", PAGES)).status_code == 503
    assert (await story.send("PUT", f"/processes/{process_id}/resume", [{"approved_by": "b"}])).status_code == 503
    await story.send("PUT", "/settings/status", {"global_lock": False})

    status = (await story.send("GET", "/settings/worker-status")).json()
    assert [worker["name"] for worker in status["pools"][0]["workers"]] == ["w1"]
    assert "ask_first" in status["pools"][0]["workers"][0]["workflows"]
    await story.worker.aclose()
    dead = await story.send("POST", "/processes/ask_first", PAGES)
    assert (dead.status_code, "'default'" in dead.json()["detail"]) == (503, True)
    assert (await story.send("PUT", f"/processes/{process_id}/abort", {"reason": "enough"})).status_code == 204
    process = await story.until_status(process_id, "aborted")
    assert (process["steps"][-1]["status"], process["steps"][-1]["created_by"]) == ("abort", "ada")
    assert process["form"] is None


async def test_o32_r17_workflows_are_listed_with_their_target_and_what_they_offer(story: RestStory) -> None:
    found: dict[str, Any] = {}
    async with asyncio.timeout(60):
        # The worker registers its definitions one after the other.
        while not found.get("ask_first", {}).get("is_offered"):
            found = {one["name"]: one for one in (await story.send("GET", "/workflows")).json()}
    assert (found["ask_first"]["target"], found["ask_first"]["is_task"]) == ("SYSTEM", True)
    assert found["ask_first"]["steps"] == ["Start", "Note", "Approve", "Break", "Done"]
    assert (await story.send("GET", "/products")).json() == []


async def test_an_event_from_outside_ends_every_wait_of_its_organization_once(story: RestStory) -> None:
    north = ("/organizations/north/member",)
    elsewhere = await story.send("POST", "/processes/await_box", [{}], groups=north, subject="nora")
    assert elsewhere.status_code == 201, elsewhere.text
    both = [await story.start("await_box", [{}]) for _ in range(2)]
    for process_id in (*both, elsewhere.json()["id"]):
        await story.until_status(process_id, "awaiting_callback")

    event = {"name": "box.delivered", "correlation": "7", "body": {"box": 1}, "id": "e1"}
    other = await story.send("POST", "/events", event | {"correlation": "8", "id": "e8"})
    assert (other.status_code, other.json()) == (200, {"id": "e8", "n_ended": 0})
    taken = await story.send("POST", "/events", event)
    assert (taken.status_code, taken.json()) == (200, {"id": "e1", "n_ended": 2})
    for process_id in both:
        assert (await story.until_status(process_id, "completed"))["current_state"]["box"] == {"box": 1}

    # The same event again ends nothing, also not a wait that has begun since; another event of this id is refused.
    late = await story.start("await_box", [{}])
    await story.until_status(late, "awaiting_callback")
    assert (await story.send("POST", "/events", event)).json()["n_ended"] == 0
    changed = await story.send("POST", "/events", event | {"body": {"box": 2}})
    assert (changed.status_code, "another event with this id" in changed.text) == (409, True)
    assert (await story.send("GET", f"/processes/{late}")).json()["status"] == "awaiting_callback"

    # The other organization waits for its own event, which may have the same id.
    still = await story.send("GET", f"/processes/{elsewhere.json()['id']}", groups=north, subject="nora")
    assert still.json()["status"] == "awaiting_callback"
    own = await story.send("POST", "/events", event | {"body": "north"}, groups=north, subject="nora")
    assert own.json()["n_ended"] == 1
    auditor = await story.send("POST", "/events", event, groups=("/organizations/north/auditor",), subject="otto")
    assert auditor.status_code == 403

    # An event that comes early is kept.
    assert (await story.send("POST", "/events", event | {"id": "e2"})).json()["n_ended"] == 1
    await story.until_status(late, "completed")
    assert (await story.send("POST", "/events", event | {"id": "e3", "body": 3})).json()["n_ended"] == 0
    early = await story.start("await_box", [{}])
    assert (await story.until_status(early, "completed"))["current_state"]["box"] == 3


async def test_an_event_ends_one_wait_of_a_process_though_the_note_about_it_was_lost(
    story: RestStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = story.world.wms.store
    notes: list[str] = []
    note_consumption = input_repository.note_consumption

    async def lose_first_note(store: Store, input_id: str, run_id: RunId, node: str) -> None:
        notes.append(node)
        if len(notes) > 1:
            await note_consumption(store, input_id, run_id, node)

    monkeypatch.setattr(input_repository, "note_consumption", lose_first_note)
    first = await story.start("measure_twice", [{}])
    await story.until_status(first, "awaiting_callback")
    event = {"name": "measured", "correlation": "7", "body": 1, "id": "m1"}
    assert (await story.send("POST", "/events", event)).json()["n_ended"] == 1

    async def is_consumed() -> bool:
        return await store.count(INPUTS, {"consumed_by": {"$ne": None}}) == 1

    # The second wait looks for an event that came early. It finds the first one, and who has consumed it.
    await eventually(is_consumed)
    assert len(set(notes)) == 1
    second = await story.start("measure_twice", [{}])
    await story.until_status(second, "awaiting_callback")
    assert (await story.send("POST", "/events", event)).json()["n_ended"] == 0
    for process_id in (first, second):
        assert (await story.send("GET", f"/processes/{process_id}")).json()["status"] == "awaiting_callback"

    assert (await story.send("POST", "/events", event | {"body": 2, "id": "m2"})).json()["n_ended"] == 2
    assert (await story.until_status(first, "completed"))["current_state"]["second"] == 2

    async def waits_again() -> bool:
        seen = (await story.send("GET", f"/processes/{second}")).json()
        return seen["status"] == "awaiting_callback" and seen["current_state"].get("first") == 2

    await eventually(waits_again)
    assert (await story.send("POST", "/events", event | {"body": 3, "id": "m3"})).json()["n_ended"] == 1
    state = (await story.until_status(second, "completed"))["current_state"]
    assert (state["first"], state["second"]) == (2, 3)


async def test_a_caller_of_several_organizations_names_one(story: RestStory) -> None:
    both = ("/organizations/north/member", "/organizations/south/member")

    async def start(query: str, pages: Any = ({},), workflow: str = "call_out") -> httpx2.Response:
        return await story.send("POST", f"/processes/{workflow}{query}", list(pages), groups=both)

    unnamed = await start("")
    assert (unnamed.status_code, "north, south" in unnamed.json()["detail"]) == (403, True), unnamed.text
    elsewhere = await start("?organization=east")
    assert (elsewhere.status_code, elsewhere.json()["detail"]) == (404, "no organization found with name: east")
    assert (await start("?organization=no%20name")).status_code == 404
    as_superuser = await story.send("POST", "/processes/call_out?organization=east", [{}])
    assert (as_superuser.status_code, as_superuser.json()["detail"]) == (404, elsewhere.json()["detail"])
    assert await story.world.wms.store.count(RUNS, {}) == 0

    made = await start("?organization=south")
    assert made.status_code == 201, made.text
    of_one = f"/processes/{made.json()['id']}"
    assert (await story.send("GET", of_one, groups=both[1:])).status_code == 200
    assert (await story.send("GET", of_one, groups=both[:1])).status_code == 404


async def test_o24_o28_r12_to_r14_r18_subscriptions_are_shown_with_what_may_start_and_set_in_sync(
    story: RestStory,
) -> None:
    wms = story.world.wms
    product = ProductDocument(product_id=uuid4(), name="Node Enrollment", tag="NODE", product_type="Node")
    await wms.products.register_product(product)
    found = SubscriptionDocument(
        subscription_id=uuid4(), product=product, customer_id="c1", status=SubscriptionLifecycle.ACTIVE
    )
    await wms.store.insert_new(SUBSCRIPTIONS, [dict(make_insert(found, stored_now()).document)])
    graph = make_chain((Node(key=NodeKey("0"), name="Work", function="work"),))
    for target in ("MODIFY", "TERMINATE", "VALIDATE"):
        definition = Definition(
            name=f"{target.lower()}_node", graph=graph, target=target, tag="NODE", search_phrase="Node%"
        )
        await repository.store_definition(wms.store, definition, definition.hash, stored_now())
    of_one = f"/subscriptions/{found.subscription_id}"

    listed = await story.send("GET", "/subscriptions?filter=status,active&sort=start_date,desc&range=0,9")
    assert [one["subscription_id"] for one in listed.json()] == [str(found.subscription_id)]
    assert listed.headers["content-range"] == "subscriptions 0-0/1"
    assert (await story.send("GET", "/subscriptions?filter=status")).status_code == 400
    assert (await story.send("GET", of_one)).json()["status"] == "active"
    model = (await story.send("GET", f"/subscriptions/domain-model/{found.subscription_id}")).json()
    assert (model["subscription_id"], model["in_use_by"]) == (str(found.subscription_id), [])
    assert [one["name"] for one in (await story.send("GET", "/products")).json()] == ["Node Enrollment"]
    assert (await story.send("GET", f"/products/{product.product_id}")).json()["tag"] == "NODE"

    usable = (await story.send("GET", f"/subscriptions/workflows/{found.subscription_id}")).json()
    assert usable["modify"][0]["reason"] == "not_in_sync"
    assert "reason" not in usable["validate"][0]
    why = (await story.send("GET", f"{of_one}/explain")).json()
    assert (why["kind"], why["standing"]) == ("subscription", "active, out of sync")
    assert ("gate-out-of-sync", "modify_node") in [(each["cause"], each["node"]) for each in why["causes"]]
    assert why["causes"][-1]["cause"] == "gates-open"

    state = {"subscription_id": str(found.subscription_id), "workflow_target": "MODIFY"}
    run = await story.world.launch("modify_node", state=state)
    refused = await story.send("PUT", f"{of_one}/set_in_sync")
    assert (refused.status_code, "modify_node" in refused.json()["detail"]) == (422, True)
    history = (await story.send("GET", f"{of_one}/processes")).json()
    assert [one["run"] for one in history] == [run]
    await story.send("PUT", f"/processes/{history[0]['process_id']}/abort")
    await story.until_status(history[0]["process_id"], "aborted")
    assert (await story.send("PUT", f"{of_one}/set_in_sync")).json()["insync"] is True
    usable = (await story.send("GET", f"/subscriptions/workflows/{found.subscription_id}")).json()
    assert "reason" not in usable["modify"][0]
    assert (await story.send("PUT", f"/subscriptions/{uuid4()}/set_in_sync")).status_code == 404
