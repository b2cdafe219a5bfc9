"""Answers to password questions are encrypted wherever MongoDB keeps them, masked for people, readable at the work."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog.testing
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from runtime.clock import utc_now
from schemas.automation.trees import TemplateKind
from schemas.engine.run_documents import RUNS, LogRow
from schemas.ids import RunId, TemplateId
from schemas.rules.secret_names import MASK
from tests.integration.wms.trees.conftest import ADA, NORTH
from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx
from tests.waiting import eventually
from wms.app import run_wms
from wms.encryption import NoKey, SecretKeys, is_sealed, make_key
from wms.engine import repository
from wms.settings import WmsSettings
from wms.trees.jobs.tree_runs import TreeLaunch

__all__ = ["awx"]

#: Each is a secret of another place.
SECRETS = ("s3cret-launch", "s3cret-default", "s3cret-node", "s3cret-own", "s3cret-step", "s3cret-schedule")
HOOK = "https://hooks.example.org/services/s3cret-hook"


async def dump_database(url: str, database: str) -> str:
    """Return all that MongoDB keeps, as one text."""
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        names = await client[database].list_collection_names()
        return repr({name: await client[database][name].find({}).to_list() for name in names})


def ask(*names: str, **fields: Any) -> dict[str, Any]:
    """Return a survey that asks for passwords."""
    questions = [{"variable": each, "question_name": each, "type": "password", "required": False} for each in names]
    return {"name": "s", "description": "", "spec": [{**each, **fields} for each in questions]}


async def test_no_secret_of_a_tree_lies_in_the_database_or_is_shown_and_each_reaches_its_work(
    awx: AwxWorld, mongo_url: str, mongo_database: str
) -> None:
    ada = awx.ada
    build = await awx.make_job("build", survey_enabled=True)
    await ada.post(f"/job_templates/{build}/survey_spec/", ask("of_node"), code=200)
    test = await awx.make_job("test")
    tree = await awx.make_tree(survey_enabled=True, extra_vars="own: s3cret-own\nplain: 1")
    survey = ask("given", "own")
    survey["spec"] += ask("kept", default="s3cret-default")["spec"]
    path = f"/workflow_job_templates/{tree}/"
    await ada.post(f"{path}survey_spec/", survey, code=200)
    assert json.loads((await ada.get(path))["extra_vars"]) == {"own": MASK, "plain": 1}
    first = await awx.add_node(tree, unified_job_template=build, extra_data={"of_node": "s3cret-node"})
    second = await awx.add_node(tree, unified_job_template=test)
    await ada.post(f"/workflow_job_template_nodes/{first}/success_nodes/", {"id": second}, code=204)
    # What people read can be written back, and changes nothing.
    shown = await ada.get(f"{path}survey_spec/")
    assert shown["spec"][2]["default"] == MASK
    await ada.post(f"{path}survey_spec/", shown, code=200)
    await ada.call("PATCH", f"{V2}{path}", {"extra_vars": (await ada.get(path))["extra_vars"]})
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y%m%dT%H%M%SZ}"
    rule = {"name": "n", "rrule": f"DTSTART:{tomorrow} RRULE:FREQ=DAILY;INTERVAL=1"}
    schedule = await ada.post(f"{path}schedules/", {**rule, "extra_data": {"given": "s3cret-schedule"}})
    assert schedule["extra_data"] == {"given": MASK}
    hook = {"name": "h", "organization": "default", "notification_type": "webhook"}
    made = await ada.post("/notification_templates/", {**hook, "notification_configuration": {"url": HOOK}})
    assert made["notification_configuration"]["url"] == f"https://hooks.example.org/{MASK}"

    run = RunId((await ada.post(f"{path}launch/", {"extra_vars": {"given": "s3cret-launch", "kept": MASK}}))["id"])
    order = await awx.trees.worker.hear("do-build")
    wanted = {"given": "s3cret-launch", "kept": "s3cret-default", "own": "s3cret-own", "of_node": "s3cret-node"}
    assert {**wanted, "plain": 1} == order.variables == {key: order.state[key] for key in order.variables}
    left: dict[str, Any] = {"artifacts": {"of_node": "s3cret-step", "more": 1}}
    await awx.trees.worker.end(order, delta={"given": "s3cret-step"}, **left)
    later = await awx.trees.worker.hear("do-test")
    assert {**wanted, "plain": 1, "more": 1, "of_node": "s3cret-step"} == later.variables
    await awx.trees.worker.end(later)
    assert (await awx.trees.until_over(run)).status == "successful"

    stored = await dump_database(mongo_url, mongo_database)
    assert "s3cret" not in stored, stored[stored.index("s3cret") - 400 :][:500]
    answers = [await ada.get(each) for each in ("/activity_stream/?page_size=200", "/unified_jobs/", "/schedules/")]
    answers += [await ada.get(f"/workflow_jobs/{run}/workflow_nodes/"), await ada.get(f"/workflow_jobs/{run}/graph/")]
    answers += [await ada.get(f"{path}{each}/") for each in ("launch", "graph/source", "workflow_nodes", "schedules")]
    answers += [await awx.eve.get(path), await awx.eve.get("/notification_templates/")]
    assert all(word not in repr(answers) for word in ("s3cret", "fernet:")), answers

    again = (await ada.post(f"/workflow_jobs/{run}/relaunch/"))["id"]
    repeated = await awx.trees.worker.hear("do-build", n=2)
    assert {**wanted, "plain": 1} == repeated.variables
    await awx.trees.worker.end(repeated)
    await awx.trees.worker.end(await awx.trees.worker.hear("do-test", n=2))
    assert (await awx.trees.until_over(RunId(again))).status == "successful"


async def test_what_was_given_before_the_survey_called_it_a_password_is_encrypted_with_the_survey(
    awx: AwxWorld, mongo_url: str, mongo_database: str
) -> None:
    ada = awx.ada
    build = await awx.make_job("build", ask_variables_on_launch=True)
    tree = await awx.make_tree()
    given = {"pw": "s3cret-early", "plain": "1"}
    nodes = [await awx.add_node(tree, identifier=f"n{n}", unified_job_template=build, extra_data=given) for n in "12"]
    bare = await awx.add_node(tree, identifier="bare", unified_job_template=build, extra_data={"plain": "2"})
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y%m%dT%H%M%SZ}"
    rule = {"name": "n", "rrule": f"DTSTART:{tomorrow} RRULE:FREQ=DAILY;INTERVAL=1"}
    schedule = await ada.post(f"/job_templates/{build}/schedules/", {**rule, "extra_data": given})
    assert schedule["extra_data"] == given
    assert (await dump_database(mongo_url, mongo_database)).count("s3cret-early") == 3

    await ada.call("PATCH", f"{V2}/job_templates/{build}/", {"survey_enabled": True})
    for _ in range(2):
        await ada.post(f"/job_templates/{build}/survey_spec/", ask("pw"), code=200)
    assert "s3cret-early" not in await dump_database(mongo_url, mongo_database)
    shown = [f"/schedules/{schedule['id']}/", *(f"/workflow_job_template_nodes/{node}/" for node in nodes)]
    for path in shown:
        assert (await ada.get(path))["extra_data"] == {"pw": MASK, "plain": "1"}
    assert (await ada.get(f"/workflow_job_template_nodes/{bare}/"))["extra_data"] == {"plain": "2"}
    await ada.post(f"/workflow_job_templates/{tree}/launch/", {})
    orders = [await awx.trees.worker.hear("do-build", n=n) for n in (1, 2, 3)]
    assert sorted(order.variables.get("pw", "") for order in orders) == ["", "s3cret-early", "s3cret-early"]


async def test_a_new_key_replaces_the_old_one_in_templates_schedules_and_runs(wms_settings: WmsSettings) -> None:
    old, new = make_key(), make_key()

    def with_keys(*keys: str) -> WmsSettings:
        return wms_settings.model_copy(update={"secret_keys": tuple(map(SecretStr, keys))})

    async with run_wms(with_keys(old)) as wms:
        raw = {"name": "t", "organization": NORTH, "survey_enabled": True}
        template = await wms.trees.templates.create_template(ADA, TemplateKind.WORKFLOW, raw)
        survey = ask("pw", default="correct-horse")
        await wms.trees.templates.set_survey(ADA, template.id, TemplateKind.WORKFLOW, survey)
        run, _ = await wms.trees.runs.launch(ADA, template.id, TreeLaunch(extra_vars={"pw": "battery-staple"}))
        moved, kept = (
            LogRow(
                run=run.id,
                number=number,
                at=utc_now(),
                act="ended",
                status="successful",
                delta={"pw": SecretKeys([old]).seal(number)},
            )
            for number in (901, 902)
        )
        await repository.move_log(wms.store, run.id, [moved])
        await wms.store.bulk_update(RUNS, [({"_id": run.id}, {"$push": {"log": kept.model_dump()}})])
        before = await wms.store.find_one("templates", {"_id": template.id})
        assert before is not None
        plain = {"survey.spec.0.default": "correct-horse", "masked": [], "rev": before["rev"] + 1}
        # As WMS stored it before secrets were encrypted.
        assert await wms.store.compare_and_set("templates", {"_id": template.id}, {"$set": plain})
    with structlog.testing.capture_logs() as logs:
        async with run_wms(with_keys(new, old)):

            def is_told() -> bool:
                return "the secrets of all runs have the first key" in [line["event"] for line in logs]

            await eventually(is_told)
    keys = SecretKeys([new])
    async with run_wms(with_keys(new)) as wms:
        found = await wms.trees.templates.get_template(ADA, template.id)
        assert is_sealed(found.survey.spec[0].default)
        assert keys.unseal(found.survey.spec[0].default) == "correct-horse"
        job = await wms.trees.runs.find_job(ADA, run.id)
        assert keys.unseal_values(job.params, job.masked) == {"pw": "battery-staple"}
        rows = {row.number: row for row in await repository.load_log(wms.store, run.id)}
        assert [keys.unseal(rows[number].delta["pw"]) for number in (901, 902)] == [901, 902]
        assert await wms.store.count(RUNS, {"log.number": 902}) == 0


async def test_without_a_key_a_secret_is_refused_and_the_error_names_the_remedy(wms_settings: WmsSettings) -> None:
    async with run_wms(wms_settings.model_copy(update={"secret_keys": ()})) as wms:
        raw = {"name": "t", "organization": NORTH, "survey_enabled": True}
        template = await wms.trees.templates.create_template(ADA, TemplateKind.WORKFLOW, raw)
        kind, survey = TemplateKind.WORKFLOW, ask("pw")
        with pytest.raises(NoKey) as refused:
            await wms.trees.templates.set_survey(ADA, template.id, kind, ask("pw", default="x"))
        assert "EWMS_SECRET_KEYS" in refused.value.hint
        await wms.trees.templates.set_survey(ADA, template.id, kind, survey)
        with pytest.raises(NoKey):
            await wms.trees.runs.launch(ADA, TemplateId(template.id), TreeLaunch(extra_vars={"pw": "x"}))
