"""A password in a fleet workflow's request: encrypted in MongoDB, masked elsewhere, in clear for its TMS alone."""

import json
from typing import Any

import pytest

from runtime.kernel.decision import Decision, Update
from runtime.kernel.store import Transaction
from schemas.broker.services import Service
from schemas.errors import Forbidden
from schemas.events import TaskforceStart
from schemas.fleet.documents import TASK_DIRECTIVES, TASKFORCES, WORKFLOWS
from schemas.questions.secrets import SecretsAnswer, SecretsQuery
from schemas.rules.secret_names import MASK, PROGRAM_SECRET
from tests.integration.wms.conftest import REST_SCHEDD
from tests.integration.wms.conftest import request as example
from tests.integration.wms.trees.test_awx_routes import AwxWorld, awx
from tests.integration.wms.trees.test_secrets_at_rest import ask, dump_database
from tests.waiting import eventually
from wms.encryption import SecretKeys, make_key
from wms.fleet.life.tms_reports import HIDDEN as HIDDEN_REPORT
from wms.secret_rotation import SecretRotation

__all__ = ["awx"]

VALUE = "s3cret-of-the-fleet"
HIDDEN: dict[str, Any] = {"task_args": f"load --password {MASK}", "task_env": {"PW": MASK, "N": "1"}}
REAL: dict[str, Any] = {"task_args": f"load --password {VALUE}", "task_env": {"PW": VALUE, "N": "1"}}


SECRET: dict[str, Any] = {"task_args": "load --password ${pw}", "task_env": {"PW": "${pw}", "N": "1"}}


@pytest.fixture
def needs_fleet() -> bool:
    """Jobs are fleet workflows here."""
    return True


async def launch(awx: AwxWorld, name: str, *tasks: dict[str, Any], events: tuple[Any, ...] = ()) -> int:
    """Launch a job template for a fleet workflow of these tasks, and return the job's id."""
    (task,) = example()["tasks"]
    request = {**example(), "tasks": [{**task, **fields} for fields in tasks]}
    raw = {
        "name": name,
        "organization": "default",
        "work": {"kind": "fleet", "request": request, "events": list(events)},
    }
    template = (await awx.ada.post("/job_templates/", {**raw, "survey_enabled": True}))["id"]
    await awx.ada.post(f"/job_templates/{template}/survey_spec/", ask("pw"), code=200)
    return int((await awx.ada.post(f"/job_templates/{template}/launch/", {"extra_vars": {"pw": VALUE}}))["id"])


async def look_until_over(awx: AwxWorld, job: int) -> dict[str, Any]:
    """Return the job when it is over."""

    async def look() -> dict[str, Any]:
        found: dict[str, Any] = await awx.ada.get(f"/jobs/{job}/")
        return found

    over: dict[str, Any] = await eventually(look, lambda each: each["finished"])
    return over


async def test_a_password_in_a_request_is_in_clear_for_the_tms_alone(
    awx: AwxWorld, mongo_url: str, mongo_database: str
) -> None:
    world, store = awx.world, awx.world.wms.store
    world.tms.reacts = False
    await launch(awx, "load", *({**SECRET, "cluster_locations": [name]} for name in ("osg", "sub-2")))

    starts = await world.tms.hear(TaskforceStart, n=2)
    assert [{name: getattr(start.task, name) for name in HIDDEN} for start in starts] == [HIDDEN] * 2
    assert VALUE not in repr(world.tms.heard)
    for start in starts:
        assert start.pilot_config.environment["EWMS_PILOT_SECRETS"] == [PROGRAM_SECRET]
        query = SecretsQuery(
            workflow_id=start.workflow_id, taskforce_uuid=start.taskforce_uuid, names=(PROGRAM_SECRET,)
        )
        answer = await world.tms.bus.ask(query)
        assert isinstance(answer, SecretsAnswer)
        texts = json.loads(answer.values[PROGRAM_SECRET].get_secret_value())
        assert texts["EWMS_PILOT_TASK_ARGS"] == REAL["task_args"]
        assert json.loads(texts["EWMS_PILOT_TASK_ENV_JSON"]) == REAL["task_env"]
        assert texts.keys() == {"EWMS_PILOT_TASK_ARGS", "EWMS_PILOT_TASK_ENV_JSON"}
        with pytest.raises(Forbidden):
            await world.mqs.bus.ask(query, to=Service.WMS)
        await world.tms.submit(start)

    async def count_started() -> int:
        return await store.count(TASKFORCES, {"phase": "condor-submit"})

    await eventually(count_started, lambda n: n == len(starts))
    with pytest.raises(Forbidden):
        await world.tms.bus.ask(query)

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
    over = await look_until_over(awx, await launch(awx, "pull", {"task_image": "/images/${pw}"}))
    assert over["status"] == "error"
    assert "'tasks.0.task_image' has a secret, which cannot be kept encrypted there" in over["job_explanation"]
    assert VALUE not in repr(over)


@pytest.mark.parametrize(
    ("task", "events", "reason"),
    [
        ({}, ({"login": "${pw}"},), "'events.0.login' has a secret, and whoever reads the queue would see it"),
        (
            {**SECRET, "cluster_locations": ["osg", "test-alpha"]},
            (),
            "'tasks.0.cluster_locations': names test-alpha, whose TMS polls over REST",
        ),
    ],
)
async def test_a_password_that_would_be_in_clear_somewhere_ends_the_job_before_anything_starts(
    awx: AwxWorld, task: dict[str, Any], events: tuple[Any, ...], reason: str
) -> None:
    over = await look_until_over(awx, await launch(awx, "tell", task, events=events))
    assert over["status"] == "error"
    assert reason in over["job_explanation"]
    assert VALUE not in repr(over)
    assert await awx.world.wms.store.count(WORKFLOWS, {}) == 0


async def test_what_an_older_wms_gave_to_a_polling_tms_is_offered_no_more_and_reported_with_masks(
    awx: AwxWorld,
) -> None:
    world, store = awx.world, awx.world.wms.store
    made = await world.post(
        "/v1/workflows", {**example(), "tasks": [{**example()["tasks"][0], "cluster_locations": ["test-alpha"]}]}
    )
    (task,), (taskforce,) = made.json()["task_directives"], made.json()["taskforces"]

    async def poll() -> int:
        where = {"schedd": REST_SCHEDD}
        answer = await world.http.get("/v1/tms/pending-starter/taskforces", params=where, headers=world.as_tms())
        return len(answer.json())

    await eventually(poll)

    async def seal(tx: Transaction) -> Decision:
        return Decision(changes=(Update(TASK_DIRECTIVES, task["task_id"], set={"sealed_texts": "fernet-json:x"}),))

    await store.transact(seal)
    assert await poll() == 0
    report = {"cluster_id": 7, "n_workers": 1, "job_event_log_fpath": "/jel/1"}
    commands = {"environment": f"PW={VALUE}", "request_cpus": 1}
    answer = await world.http.post(
        f"/v1/tms/condor-submit/taskforces/{taskforce['taskforce_uuid']}",
        json={**report, "submit_dict": commands},
        headers=world.as_tms(),
    )
    assert answer.status_code == 200, answer.text
    shown = (await world.get(f"/v1/taskforces/{taskforce['taskforce_uuid']}")).json()
    assert shown["submit_dict"] == {"environment": HIDDEN_REPORT, "request_cpus": 1}
