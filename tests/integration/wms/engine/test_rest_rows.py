"""The numbered demands on processes, over REST and on the real engine. A subtest carries the number of each.

The numbers are those of docs/reference/processes.md.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from ewms.steps import WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS, WF_USABLE_MAP, WF_USABLE_WHILE_OUT_OF_SYNC
from ewms.steps.registrations import register_workflow
from ewms.steps.testing import keep_registrations
from runtime.clock import stored_now
from schemas.engine.run_documents import DEFINITIONS, RUNS
from schemas.engine.subscriptions import (
    PRODUCTS,
    SUBSCRIPTIONS,
    ProductDocument,
    SubscriptionDocument,
    SubscriptionLifecycle,
)
from tests.integration.wms.engine import diary, enrolling, faulty_lists
from tests.integration.wms.engine.conftest import EngineWorld
from tests.integration.wms.engine.rest_story import RestStory, open_story
from tests.integration.wms.peers import Issuer
from tests.unit.ewms.steps import enrollment
from tests.unit.ewms.steps.enrollment import CUSTOMER
from wms.processes.subscriptions.subscription_documents import make_insert

MODULES = (enrolling.__name__, diary.__name__, faulty_lists.__name__)
NODE = {"organisation": CUSTOMER, "esdb_node_id": 12, "select_node": "ams-node-1", "url": "https://n", "uuid": "u-12"}
PAGE = {**NODE, "role_id": "7"}


class NodeStory(RestStory):
    """The enrollment's world, over REST."""

    product: str = ""

    async def get(self, path: str) -> Any:
        answer = await self.send("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def create(self) -> dict[str, Any]:
        """Return a process that has created a node."""
        process = await self.start("create_node_enrollment", [{"product": self.product}, PAGE])
        return await self.until_status(process, "completed")

    async def run_on(self, workflow: str, subscription: str, status: str = "completed") -> dict[str, Any]:
        """Return a process of `workflow` on a subscription, once it has this status."""
        return await self.until_status(await self.start(workflow, [{"subscription_id": subscription}]), status)

    async def refuse(self, workflow: str, subscription: str, **page: Any) -> str:
        """Try to start `workflow` on a subscription; return the sentence of the refusal."""
        answer = await self.send("POST", f"/processes/{workflow}", [{"subscription_id": subscription, **page}])
        assert (answer.status_code, answer.json()["type"]) == (400, "FormValidationError"), answer.text
        return str(answer.json()["validation_errors"][0]["msg"])

    async def find_reason(self, workflow: str, subscription: str) -> str | None:
        """Return why `workflow` may not start on a subscription now; None: it may."""
        usable = await self.get(f"/subscriptions/workflows/{subscription}")
        [found] = [one for group in usable.values() for one in group if one["name"] == workflow]
        reason: str | None = found.get("reason")
        return reason

    async def add_subscription(self, **fields: Any) -> str:
        """Store a subscription; return its id."""
        product = await self.world.wms.products.get_product(UUID(self.product))
        head = {"product": product, "customer_id": CUSTOMER, "insync": True}
        made = SubscriptionDocument(subscription_id=uuid4(), **{**head, **fields})
        await self.world.wms.store.insert_new(SUBSCRIPTIONS, [dict(make_insert(made, stored_now()).document)])
        return str(made.subscription_id)

    async def count(self) -> tuple[int, int]:
        """Return how many processes and subscriptions there are."""
        store = self.world.wms.store
        return await store.count(RUNS, {}), await store.count(SUBSCRIPTIONS, {})


@contextmanager
def keep_settings() -> Iterator[None]:
    """Forget, at the end of the block, what it has set for gates."""
    maps = (WF_USABLE_MAP, WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS)
    kept, listed = [dict(one) for one in maps], list(WF_USABLE_WHILE_OUT_OF_SYNC)
    try:
        yield
    finally:
        for one, before in zip(maps, kept, strict=True):
            one.clear()
            one.update(before)  # type: ignore[arg-type]  # each has its own before
        WF_USABLE_WHILE_OUT_OF_SYNC[:] = listed


@pytest.fixture
async def story(
    engine_world: EngineWorld,
    rabbitmq: RabbitMQ,
    control_vhost: str,
    issuer: Issuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[NodeStory]:
    """WMS and a worker with the enrollment and with step lists that fail."""
    (tmp_path / "world").write_text("{}")
    (tmp_path / "diary").touch()
    monkeypatch.setenv("WORLD", str(tmp_path / "world"))
    monkeypatch.setenv("DIARY", str(tmp_path / "diary"))
    monkeypatch.setitem(enrollment.WORLD, "device", {"name": "ams-1"})
    monkeypatch.setitem(enrollment.WORLD, "do_z", enrolling.do_z)
    monkeypatch.setitem(enrollment.WORLD, "calls", [])
    with keep_registrations(), keep_settings():
        enrolling.register_all()
        for name in ("misread_node", "change_privately"):
            register_workflow(name=name, target="MODIFY", tag="NodeEnrollment", search_phrase="Node Enrollment%")
        WF_USABLE_MAP.update({"misread_node": ["provisioning"], "change_privately": ["provisioning"]})
        async with open_story(engine_world, rabbitmq, control_vhost, issuer, MODULES, kind=NodeStory) as opened:
            [product] = await opened.get("/products")
            opened.product = product["product_id"]
            yield opened


async def test_an_enrollment_over_rest_keeps_the_rows_of_its_life(story: NodeStory, subtests: pytest.Subtests) -> None:
    created = await story.create()
    node = created["subscription_ids"][0]
    stored = await story.get(f"/subscriptions/{node}")
    with subtests.test("O4 steps run one after the other"):
        ended = [step["completed"] for step in created["steps"]]
        assert ended == sorted(ended)
        assert [step["name"] for step in created["steps"]] == [
            "Start",
            "Construct Node Enrollment model",
            "Create Process Subscription relation",
            "Do things rather than thing",
            "Update subscription name with node info",
            "Set subscription to 'provisioning'",
            "Unlock subscription",
            "Done",
        ]
    with subtests.test("O11 the decorator's lifecycle"), subtests.test("O19 a step changes it"):
        assert (stored["status"], stored["insync"]) == ("provisioning", True)
        assert stored["description"] == "Node ams-node-1 Provisioned (without system service)"
    with subtests.test("O16 the result is merged, and a model in it is plain"), subtests.test("O36 UUIDs are text"):
        state = created["current_state"]
        assert (state["role"], state["site_id"], state["esdb_node_id"]) == ("7-ams-node-1", "ams", 12)
        assert state["subscription"]["ne"]["esdb_node_id"] == 12
        assert UUID(state["subscription"]["ne"]["nso_service_id"])
        assert created["steps"][1]["state_delta"]["subscription_id"] == node
    with subtests.test("O17 the process is related to the subscription"):
        assert [one["subscription_id"] for one in created["subscriptions"]] == [node]
    with subtests.test("O14 arguments are keys of the state"), subtests.test("O35 the engine's own keys"):
        assert (state["process_id"], state["reporter"]) == (created["process_id"], "ada")
        assert (state["workflow_name"], state["workflow_target"]) == ("create_node_enrollment", "CREATE")

    with subtests.test("O21 a model of another lifecycle fails its step"):
        wrong = await story.run_on("misread_node", node, "failed")
        assert (
            f"subscription {node} is provisioning, so it is read as NodeEnrollmentProvisioning"
            in (wrong["failed_reason"])
        )
        assert (await story.get(f"/subscriptions/{node}"))["status"] == "provisioning"
    with subtests.test("O28 C3 a failed process leaves its subscription locked"):
        assert "out of sync" in await story.refuse("provision_node_enrollment", node)
        usable = await story.get(f"/subscriptions/workflows/{node}")
        assert {one["reason"] for one in usable["modify"]} == {"not_in_sync"}
    await story.send("PUT", f"/processes/{wrong['process_id']}/abort")
    await story.until_status(wrong["process_id"], "aborted")
    assert (await story.send("PUT", f"/subscriptions/{node}/set_in_sync")).status_code == 200

    with subtests.test("O33 a modify changes the lifecycle at its end"):
        provisioned = await story.run_on("provision_node_enrollment", node)
        assert (await story.get(f"/subscriptions/{node}"))["status"] == "active"
    with subtests.test("O30 the subscription's id is there before the first step"), subtests.test("O22"):
        before = provisioned["current_state"]
        assert (before["subscription_id"], before["customer_id"]) == (node, CUSTOMER)
        assert (before["product"], isinstance(before["version"], int)) == (story.product, True)
    with subtests.test("O23 a workflow without a form of its own"), subtests.test("O31 its findings are in the state"):
        validated = await story.run_on("validate_node_enrollment", node)
        assert (validated["current_state"]["check_nso"], validated["is_task"]) == ("OK", True)
    with subtests.test("O31 a failed check is for the NOC"):
        enrollment.WORLD["device"] = None
        failed = await story.run_on("validate_node_enrollment", node, "inconsistent_data")
        assert (failed["assignee"], failed["failed_reason"]) == ("NOC", "Device not found in NSO")
        enrollment.WORLD["device"] = {"name": "ams-1"}
        assert (await story.send("PUT", f"/processes/{failed['process_id']}/resume")).status_code == 204
        await story.until_status(failed["process_id"], "completed")
    with subtests.test("O34 a terminate ends the subscription"), subtests.test("O35 it has the whole state"):
        terminated = await story.run_on("terminate_node_enrollment", node)
        assert terminated["current_state"]["node_name"] == "node-12"
        stored = await story.get(f"/subscriptions/{node}")
        assert (stored["status"], stored["insync"], stored["end_date"] is not None) == ("terminated", True, True)
    with subtests.test("O7 a subscription lists its workflows and processes"), subtests.test("O3"):
        names = [one["workflow_name"] for one in await story.get(f"/subscriptions/{node}/processes")]
        assert names == [
            "create_node_enrollment",
            "misread_node",
            "provision_node_enrollment",
            "validate_node_enrollment",
            "validate_node_enrollment",
            "terminate_node_enrollment",
        ]
        usable = await story.get(f"/subscriptions/workflows/{node}")
        assert {target: [one["name"] for one in listed] for target, listed in usable.items()} == {
            "modify": ["change_privately", "misread_node", "modify_node_enrollment", "provision_node_enrollment"],
            "system": ["validate_node_enrollment"],
            "terminate": ["terminate_node_enrollment"],
        }
    with subtests.test("O20 the process is completed and the subscription listed"), subtests.test("O3 lists"):
        completed = await story.get("/processes?filter=last_status,completed,workflow_target,CREATE")
        assert [one["process_id"] for one in completed] == [created["process_id"]]
        assert [one["subscription_id"] for one in await story.get("/subscriptions")] == [node]


async def test_a_retry_and_a_failed_step_over_rest_keep_their_rows(
    story: NodeStory, subtests: pytest.Subtests, tmp_path: Path
) -> None:
    (tmp_path / "world").write_text('{"do_z": "fail"}')
    process_id = await story.start("create_node_enrollment", [{"product": story.product}, PAGE])
    failed = await story.until_status(process_id, "failed")
    node = failed["subscription_ids"][0]
    with subtests.test("O15 a new subscription is initial and out of sync"):
        stored = await story.get(f"/subscriptions/{node}")
        assert (stored["status"], stored["insync"]) == ("initial", False)
    with subtests.test("O2 an attempt leaves a row with its error"):
        row = failed["steps"][3]
        assert (row["status"], row["state_delta"]["class"], row["state_delta"]["error"]) == (
            "failed",
            "RuntimeError",
            "z is away",
        )
        assert "do_z" in row["state_delta"]["traceback"]
        assert (row["created_by"], row["started"] < row["completed"]) == ("w1", True)
    with subtests.test("O26 a terminate may start in any lifecycle, also an initial one"):
        assert (await story.send("PUT", f"/subscriptions/{node}/set_in_sync")).status_code == 422
        other = await story.add_subscription(status=SubscriptionLifecycle.INITIAL)
        usable = await story.get(f"/subscriptions/workflows/{other}")
        assert [one.get("reason") for one in usable["terminate"]] == [None]

    (tmp_path / "world").write_text("{}")
    assert (await story.send("PUT", f"/processes/{process_id}/resume")).status_code == 204
    done = await story.until_status(process_id, "completed")
    with subtests.test("O5 cleared steps do not run again"), subtests.test("O18 the failed one runs from its top"):
        assert enrollment.WORLD["calls"] == ["x", "y", "x", "y", "z"]
        assert [step["name"] for step in done["steps"]].count("Construct Node Enrollment model") == 1
        assert done["subscription_ids"] == [node]
    with subtests.test("O2 a retry removes no row"):
        rows = [step for step in done["steps"] if step["name"] == "Do things rather than thing"]
        assert [(one["status"], one["attempt"]) for one in rows] == [("failed", 1), ("success", 2)]
        assert [(act["act"], act["who"]) for act in done["acts"]] == [
            (one, "ada") for one in ("launch", "begin", "resume")
        ]

    before = await story.count()
    half = await story.until_status(await story.start("stop_halfway", [{}]), "failed")
    with subtests.test("O6 a failed step leaves nothing"), subtests.test("O1 nor half of a change"):
        assert half["failed_reason"] == "no more than half"
        assert (half["children"], half["subscription_ids"]) == ([], [])
        assert await story.count() == (before[0] + 1, before[1])


async def test_registrations_and_gates_over_rest_keep_their_rows(story: NodeStory, subtests: pytest.Subtests) -> None:
    store, active = story.world.wms.store, SubscriptionLifecycle.ACTIVE
    workflow = "modify_node_enrollment"
    node = await story.add_subscription(status=active)
    with subtests.test("O8 one row for each registration"), subtests.test("O9 under the function's name"):
        assert await store.count(DEFINITIONS, {"name": workflow}) == 1
        assert await store.count(PRODUCTS, {}) == 1
    with subtests.test("O10 C2 a pattern attaches by the name's beginning"):
        others = {}
        for name in ("Node Enrollment 2", "My Node Enrollment"):
            product = ProductDocument(product_id=uuid4(), name=name, tag="NodeEnrollment", product_type="Node")
            await story.world.wms.products.register_product(product)
            others[name] = await story.add_subscription(product=product, status=active)
        assert (await story.get(f"/subscriptions/workflows/{others['Node Enrollment 2']}"))["modify"]
        assert await story.get(f"/subscriptions/workflows/{others['My Node Enrollment']}") == {}
        refusal = await story.refuse(workflow, others["My Node Enrollment"])
        assert "not attached to the product My Node Enrollment" in refusal

    with subtests.test("O25 C5 the map replaces the default"):
        text = "the subscription is active; modify_node_enrollment is usable when it is provisioning"
        assert text in await story.refuse(workflow, node)
    with subtests.test("O29 the settings count at once"), subtests.test("O24 by default only active ones are usable"):
        del WF_USABLE_MAP[workflow]
        assert await story.find_reason(workflow, node) is None
        provisioning = await story.add_subscription(status=SubscriptionLifecycle.PROVISIONING)
        assert await story.find_reason(workflow, provisioning) == "no_modify_invalid_status"
        assert "usable when it is active" in await story.refuse(workflow, provisioning)
    with subtests.test("O26 the map restricts a terminate, too"):
        terminate = "terminate_node_enrollment"
        assert await story.find_reason(terminate, provisioning) is None
        WF_USABLE_MAP[terminate] = ["active"]
        assert await story.find_reason(terminate, provisioning) == "no_modify_invalid_status"
        del WF_USABLE_MAP[terminate]

    user = await story.add_subscription(status=active, depends_on=(UUID(node),))
    with subtests.test("O27 C6 users keep a terminate from starting, and others by the setting"):
        in_use = "no_modify_subscription_in_use_by_others"
        usable = await story.get(f"/subscriptions/workflows/{node}")
        assert usable["terminate"][0]["unterminated_in_use_by_subscriptions"] == [user]
        assert await story.find_reason(workflow, node) == in_use
        WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS.update({workflow: False, terminate: False})
        assert await story.find_reason(workflow, node) is None
        assert await story.find_reason(terminate, node) is None
        WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS.update({terminate: True})
        assert "1 subscription in use of this one are not terminated" in await story.refuse(terminate, node)
        await store.compare_and_set(SUBSCRIPTIONS, {"_id": user}, {"$set": {"status": "terminated"}})
        assert await story.find_reason(terminate, node) is None
    with subtests.test("O28 C4 out of sync, itself or a relation"):
        await store.compare_and_set(SUBSCRIPTIONS, {"_id": user}, {"$set": {"insync": False}})
        usable = await story.get(f"/subscriptions/workflows/{node}")
        assert usable["terminate"][0]["locked_relations"] == [user]
        assert await story.find_reason("validate_node_enrollment", node) is None
        WF_USABLE_WHILE_OUT_OF_SYNC.append(workflow)
        assert await story.find_reason(workflow, node) is None
    with subtests.test("O32 a target may be any that is known"):
        targets = {one["name"]: one["target"] for one in await story.get("/workflows")}
        assert (targets["validate_node_enrollment"], targets[workflow]) == ("SYSTEM", "MODIFY")
    with subtests.test("C1 the subscription is there"), subtests.test("C8 at the version that the caller has seen"):
        assert "there is no such subscription" in await story.refuse(workflow, story.product)
        assert "you have seen version 7 of the subscription" in await story.refuse(workflow, node, version=7)
    with subtests.test("C7 the author lets the caller start it"):
        page = [{"subscription_id": provisioning}]
        refused = await story.send("POST", "/processes/change_privately", page, subject="eve")
        assert (refused.status_code, "change_privately" in refused.json()["detail"]) == (403, True)
    with subtests.test("O13 refusals have left nothing"):
        assert await story.count() == (0, 5)
