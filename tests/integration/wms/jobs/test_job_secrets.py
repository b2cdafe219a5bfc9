"""C33: a job names secrets of its organization; its tasks get them as files, and no document or answer has a value."""

from typing import Any

import pytest

from runtime.bus.questions import Caller
from schemas.automation.jobs import JOB_WORKS
from schemas.automation.trees import ObjectRole, TemplateKind
from schemas.broker.topology import tms_service
from schemas.errors import Forbidden, NotFound, Rejected
from schemas.fleet.documents import TASK_DIRECTIVES, TASKFORCES
from schemas.fleet.phases import Phase
from schemas.ids import OrganizationId, WorkflowId
from schemas.pilot.outcomes import RunEnding
from schemas.questions.bases import Answer, Question
from schemas.questions.secrets import SecretsQuery
from tests.integration.wms.jobs.conftest import JobWorld
from tests.waiting import eventually
from wms.audit.audit_facts import AUDIT_ROWS
from wms.encryption import SecretKeys
from wms.jobs.plans.fleet_requests import make_unit_id
from wms.secrets.secret_answers import SecretAnswers
from wms.secrets.secret_store import SecretStore
from wms.tenancy.rights import Principal, TenancyRole
from wms.trees.template_errors import FieldsRefused

VALUE = "S3cret-of-the-lab"
MEMBER, ADMIN = "ada/north/member", "boss/north/admin"
NAMED = {"name": "db-password", "file": "password"}
SECRET = {"name": "db-password", "file": "password", "tasks": None}


async def set_secret(jobs: JobWorld, name: str, *, caller: str = ADMIN, **fields: str) -> None:
    """Set a secret of the caller's organization."""
    organization = caller.split("/")[1]
    body = {"value": VALUE, **fields}
    answer = await jobs.send("PUT", f"/organizations/{organization}/secrets/{name}", body, caller=caller)
    assert answer.status_code == 204, answer.text


def open_secrets(jobs: JobWorld) -> SecretStore:
    """Return the secrets of the running WMS, as its answers to a TMS read them."""
    return SecretStore(jobs.world.wms.store, jobs.world.settings.make_secret_keys())


async def refuse(question: Question, _: Caller) -> Answer:
    """Refuse each question that is not for secrets."""
    raise Rejected(question.kind)


async def dump_database(jobs: JobWorld) -> str:
    """Return all documents of the database as one text."""
    store = jobs.world.wms.store
    names = await store._database.list_collection_names()
    return "".join([str(await store._database[name].find({}).to_list(None)) for name in names])


async def test_c33_the_tasks_of_a_job_get_its_secrets_and_those_of_no_other_workflow_do(jobs: JobWorld) -> None:
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory("web1\nweb2\n")
    await set_secret(jobs, "db-password", open_to="members")
    saved = await jobs.send(
        "POST", "/workflow", {"name": "night", "organization": "north", "tasks": [task], "secrets": [NAMED]}
    )
    assert saved.json()["secrets"] == [SECRET], saved.text
    made = await jobs.start(workflow=saved.json()["id"], inventory=inventory, secrets=[{"name": "db-password"}])
    both = [SECRET, {**SECRET, "file": "db-password"}]
    assert made["secrets"] == both
    await jobs.until_over(made["id"])
    plain = await jobs.start(task=task, inventory=inventory)
    await jobs.until_over(plain["id"])

    store, secrets = jobs.world.wms.store, open_secrets(jobs)
    with_secrets, without = await store.find(JOB_WORKS, {}, sort=[("created_at", 1)])
    named = {
        each["workflow_id"]: each["pilot_config"]["environment"].get("EWMS_PILOT_SECRETS")
        for each in await store.find(TASKFORCES, {})
    }
    assert named == {with_secrets["_id"]: "password,db-password", without["_id"]: None}
    values = await secrets.read_values(with_secrets["_id"], ["password", "db-password"])
    assert values == {"password": VALUE, "db-password": VALUE}
    with pytest.raises(NotFound, match="was not given"):
        await secrets.read_values(without["_id"], ["password"])

    # The job's row of the audit log names the secrets. No document, answer or payload has the value.
    (row,) = await store.find(AUDIT_ROWS, {"kind": "job", "object_id": made["id"], "operation": "create"})
    assert row["changes"]["secrets"] == [[], ["db-password", "db-password"]]
    answers = [await jobs.send("GET", f"/jobs/{made['id']}{path}") for path in ("", "/hosts", "/log")]
    everything = await dump_database(jobs) + "".join(each.text for each in answers) + str(jobs.payloads)
    assert "db-password" in everything
    assert VALUE not in everything

    again = (await jobs.send("POST", f"/jobs/{made['id']}/actions/rerun", {"hosts": "all"})).json()
    assert again["secrets"] == both
    await jobs.until_over(again["id"])


@pytest.mark.parametrize("strategy", ["linear", "free"])
async def test_c33_a_task_of_a_job_gets_its_own_secrets_only(jobs: JobWorld, strategy: str) -> None:
    drain, patch = [await jobs.add_task(name) for name in ("drain", "patch")]
    inventory = await jobs.add_inventory("web1\n")
    for name in ("of-drain", "of-both"):
        await set_secret(jobs, name, open_to="members")
    named = [{"name": "of-drain", "tasks": [drain]}, {"name": "of-both", "tasks": [drain, patch]}]
    made = await jobs.start(tasks=[drain, patch], inventory=inventory, strategy=strategy, secrets=named)
    assert made["secrets"] == [{**each, "file": each["name"]} for each in named]
    await jobs.until_over(made["id"])

    store, secrets = jobs.world.wms.store, open_secrets(jobs)
    images = {each["task_id"]: each["task_image"] for each in await store.find(TASK_DIRECTIVES, {})}
    taskforces = await store.find(TASKFORCES, {})
    own = {images[each["task_id"]]: each["pilot_config"]["environment"]["EWMS_PILOT_SECRETS"] for each in taskforces}
    assert own == {"/images/drain": "of-drain,of-both", "/images/patch": "of-both"}
    # Nobody who starts the task gets the secret of the other one.
    (of_patch,) = [each for each in taskforces if images[each["task_id"]] == "/images/patch"]
    phase = {"$set": {"phase": Phase.PENDING_STARTER.value}}
    await store.bulk_update(TASKFORCES, [({"taskforce_uuid": of_patch["taskforce_uuid"]}, phase)])
    answers, caller = SecretAnswers(store, secrets, SecretKeys([]), refuse), Caller(tms_service(of_patch["schedd"]))
    query = SecretsQuery(
        workflow_id=of_patch["workflow_id"], taskforce_uuid=of_patch["taskforce_uuid"], names=("of-both",)
    )
    assert set((await answers.find_secrets(query, caller)).values) == {"of-both"}
    with pytest.raises(Forbidden, match="does not get the secret 'of-drain'"):
        await answers.find_secrets(query.model_copy(update={"names": ("of-drain", "of-both")}), caller)
    if strategy == "linear":
        # Its workflow is another one, which was not given the secret at all.
        with pytest.raises(NotFound, match="was not given"):
            await secrets.read_values(of_patch["workflow_id"], ["of-drain"])

    again = (await jobs.send("POST", f"/jobs/{made['id']}/actions/rerun", {"hosts": "all"})).json()
    assert again["secrets"] == made["secrets"]
    await jobs.until_over(again["id"])


#: To whom the secret is open -> caller -> the status code of the start of a job with it.
MATRIX = {
    "admins": {"root": 201, ADMIN: 201, MEMBER: 403, "al/north/auditor": 403, "eve/south/admin": 404},
    "members": {"root": 201, ADMIN: 201, MEMBER: 201, "al/north/auditor": 403, "eve/south/admin": 404},
}


async def test_c26_c33_each_cell_of_the_rights_to_use_a_secret(jobs: JobWorld, subtests: pytest.Subtests) -> None:
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory("web1\n")
    await set_secret(jobs, "of-the-south", caller="eve/south/admin", open_to="members")
    for open_to, codes in MATRIX.items():
        await set_secret(jobs, "key", open_to=open_to)
        # A new value changes nothing of that.
        await set_secret(jobs, "key")
        for caller, code in codes.items():
            with subtests.test(f"{open_to} {caller}"):
                body = {"task": task, "inventory": inventory, "secrets": [{"name": "key"}]}
                answer = await jobs.send("POST", "/jobs", body, caller=caller)
                assert answer.status_code == code, answer.text
    for code, named in (
        (404, [{"name": "of-the-south"}]),
        (404, [{"name": "unknown"}]),
        (400, [{"name": "../up"}]),
        (400, [{"name": "key", "file": "a/b"}]),
        (400, [{"name": "key"}, {"name": "key"}]),
        (400, [{"name": "key", "tasks": []}]),
        (400, [{"name": "key", "tasks": [task, task + 1000]}]),
        (400, [{"name": f"key-{number}"} for number in range(33)]),
    ):
        with subtests.test(str(named)[:40]):
            refused = await jobs.start(code, task=task, inventory=inventory, secrets=named)
            assert "secret" in refused["error"], refused


async def test_c33_a_secret_that_is_gone_when_a_task_begins_makes_its_hosts_errors_that_say_so(jobs: JobWorld) -> None:
    tasks = [await jobs.add_task(name) for name in ("drain", "patch")]
    inventory = await jobs.add_inventory("web1\n")
    await set_secret(jobs, "key", open_to="members")
    jobs.answers = lambda _task, _host: None
    made = await jobs.start(tasks=tasks, inventory=inventory, secrets=[{"name": "key"}])
    store = jobs.world.wms.store
    await eventually(lambda: jobs.runs)
    assert (await jobs.send("DELETE", "/organizations/north/secrets/key", caller=ADMIN)).status_code == 204
    (work,) = await store.find(JOB_WORKS, {})
    (directive,) = await store.find(TASK_DIRECTIVES, {"workflow_id": work["_id"]})
    workflow_id = WorkflowId(work["_id"])
    await jobs._report(workflow_id, make_unit_id(workflow_id, 0), directive["task_id"], (RunEnding.EXITED, 0))
    over = await jobs.until_over(made["id"])
    assert (over["status"], over["hosts"]) == ("error", {"error": 1})
    host = (await jobs.send("GET", f"/jobs/{made['id']}/hosts/web1")).json()
    assert host["results"][1]["reason"] == "the fleet refused the request: no secret found with name: key"
    operations = [each["operation"] for each in await store.find(AUDIT_ROWS, {"kind": "secret"}, sort=[("_id", 1)])]
    assert operations == ["create", "delete"]


async def test_c33_only_a_person_who_may_use_a_secret_saves_a_job_template_with_it(jobs: JobWorld) -> None:
    templates = jobs.world.wms.trees.templates
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory("web1\n")
    await set_secret(jobs, "key")
    assert (await jobs.send("PUT", "/organizations/north", {"title": "North"}, caller="root")).status_code in (200, 201)
    north = OrganizationId("north")
    work: dict[str, Any] = {"kind": "hosts", "tasks": [task], "inventory": inventory, "secrets": [{"name": "key"}]}
    raw = {"name": "patch", "organization": north, "work": work}
    boss = Principal("boss", roles={north: frozenset({TenancyRole.ORG_ADMIN})})
    made = await templates.create_template(boss, TemplateKind.JOB, raw)
    member = Principal(
        "cy",
        roles={north: frozenset({TenancyRole.ORG_MEMBER})},
        delegated={made.id: frozenset({ObjectRole.ADMIN})},
    )
    for principal, secrets, error in (
        (member, [{"name": "key"}], Forbidden),
        (boss, [{"name": "unknown"}], FieldsRefused),
        (boss, [{"name": "../up"}], FieldsRefused),
        (boss, [{"name": "key", "tasks": [task + 1000]}], FieldsRefused),
    ):
        changed = {"work": {**work, "secrets": secrets, "limit": "web1"}}
        with pytest.raises(error, match="work"):
            await templates.change_template(principal, made.id, TemplateKind.JOB, changed)
    # Without the secret the member may.
    await templates.change_template(member, made.id, TemplateKind.JOB, {"work": {**work, "secrets": []}})
