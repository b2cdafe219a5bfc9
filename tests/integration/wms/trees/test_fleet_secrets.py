"""A password in a fleet workflow's request: encrypted in MongoDB, masked for people, in clear for the task's TMS."""

from typing import Any

from schemas.events import TaskforceStart
from schemas.fleet.documents import TASK_DIRECTIVES
from tests.integration.wms.conftest import REST_SCHEDD
from tests.integration.wms.conftest import request as example
from tests.integration.wms.trees.test_awx_routes import AwxWorld, awx
from tests.integration.wms.trees.test_secrets_at_rest import ask, dump_database
from tests.waiting import eventually
from wms.encryption import SecretKeys, make_key
from wms.engine.life.variables import MASK
from wms.secret_rotation import SecretRotation

__all__ = ["awx"]

VALUE = "s3cret-of-the-fleet"
HIDDEN: dict[str, Any] = {"task_args": f"load --password {MASK}", "task_env": {"PW": MASK, "N": "1"}}
REAL: dict[str, Any] = {"task_args": f"load --password {VALUE}", "task_env": {"PW": VALUE, "N": "1"}}


async def launch(awx: AwxWorld, name: str, *tasks: dict[str, Any]) -> int:
    """Launch a job template for a fleet workflow of these tasks, and return the job's id."""
    (task,) = example()["tasks"]
    request = {**example(), "tasks": [{**task, **fields} for fields in tasks]}
    raw = {"name": name, "organization": "default", "work": {"kind": "fleet", "request": request}}
    template = (await awx.ada.post("/job_templates/", {**raw, "survey_enabled": True}))["id"]
    await awx.ada.post(f"/job_templates/{template}/survey_spec/", ask("pw"), code=200)
    return int((await awx.ada.post(f"/job_templates/{template}/launch/", {"extra_vars": {"pw": VALUE}}))["id"])


async def test_a_password_in_a_request_is_in_clear_for_the_tms_alone(
    awx: AwxWorld, mongo_url: str, mongo_database: str
) -> None:
    world, store = awx.world, awx.world.wms.store
    secret = {"task_args": "load --password ${pw}", "task_env": {"PW": "${pw}", "N": "1"}}
    await launch(awx, "load", {**secret, "cluster_locations": ["osg"]}, {**secret, "cluster_locations": ["test-alpha"]})

    (start,) = await world.tms.hear(TaskforceStart)
    assert {name: getattr(start.task, name) for name in REAL} == REAL
    assert start.task.sealed_texts == ""

    async def poll() -> dict[str, Any]:
        answer = await world.http.get(
            "/v1/tms/pending-starter/taskforces", params={"schedd": REST_SCHEDD}, headers=world.as_tms()
        )
        found: dict[str, Any] = answer.json()
        return found

    offered = (await eventually(poll))["task_directive"]
    assert {name: offered[name] for name in REAL} == REAL
    assert "sealed_texts" not in offered

    directives = await store.find(TASK_DIRECTIVES, {}, sort=[("cursor", 1)])
    assert [{name: each[name] for name in HIDDEN} for each in directives] == [HIDDEN] * 2
    workflow_id = directives[0]["workflow_id"]
    found = await world.post("/v1/query/task-directives", {"query": {"workflow_id": workflow_id}})
    assert len(found.json()["task_directives"]) == 2, found.text
    shown = [(await world.get(f"/v1/task-directives/{each['task_id']}")).json() for each in directives]
    assert [{name: each[name] for name in HIDDEN} for each in shown] == [HIDDEN] * 2
    answers = [await world.get(f"/v1/workflows/{workflow_id}{path}") for path in ("", "/graph", "/explain")]
    texts = "".join(each.text for each in (found, *answers)) + repr(shown)
    stored = await dump_database(mongo_url, mongo_database)
    assert MASK in stored
    assert all(VALUE not in each for each in (texts, stored))
    assert "fernet" not in texts

    # A new key reaches the texts, too.
    keys = SecretKeys([make_key(), *(key.get_secret_value() for key in world.settings.secret_keys)])
    await SecretRotation(store, keys).encrypt_documents()
    for each in await store.find(TASK_DIRECTIVES, {}):
        assert keys.has_first_key(each["sealed_texts"])
        assert keys.unseal(each["sealed_texts"]) == REAL


async def test_a_password_in_an_image_is_an_error_that_names_the_place(awx: AwxWorld) -> None:
    job = await launch(awx, "pull", {"task_image": "/images/${pw}"})

    async def look() -> dict[str, Any]:
        found: dict[str, Any] = await awx.ada.get(f"/jobs/{job}/")
        return found

    over = await eventually(look, lambda each: each["finished"])
    assert over["status"] == "error"
    assert "'tasks.0.task_image' has a secret, which cannot be kept encrypted there" in over["job_explanation"]
    assert VALUE not in repr(over)
