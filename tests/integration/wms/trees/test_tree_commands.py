"""`ewms tree` and the client's `trees` against a running WMS."""

import json
from typing import Any

from tests.commands import call_ewms
from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx

__all__ = ["awx"]


async def run_command(world: AwxWorld, *words: str, status: int = 0) -> str:
    """Run `ewms tree` with these words; return what it prints."""
    token = world.world.issuer.token("ada", groups=["/organizations/default/admin"])
    return await call_ewms(str(world.world.http.base_url).rstrip("/"), token, *words, status=status)


async def test_a_tree_is_launched_shown_watched_and_drawn(awx: AwxWorld) -> None:
    build, rollback = await awx.make_job("build"), await awx.make_job("rollback")
    tree = await awx.make_tree(ask_variables_on_launch=True)
    nodes = [
        {"identifier": "b", "template": build, "failure": ["r"]},
        {"identifier": "r", "template": rollback},
    ]
    await awx.ada.call("PUT", f"{V2}/workflow_job_templates/{tree}/graph/", {"nodes": nodes})
    launched = await run_command(awx, "tree", "launch", "release", "--var", "version=1.2", "--var", "name=x y")
    run = int(launched.split()[0])
    shown: dict[str, Any] = await awx.ada.get(f"/workflow_jobs/{run}/")
    assert json.loads(shown["extra_vars"]) == {"version": 1.2, "name": "x y"}
    await awx.trees.end("build", "failed")
    await awx.trees.end("rollback")
    watched = await run_command(awx, "tree", "watch", str(run))
    assert "release is successful" in watched
    text = await run_command(awx, "tree", "show", str(run))
    assert "✗ build  failed" in text
    assert "failure: rollback  successful" in text
    assert (await run_command(awx, "tree", "graph", str(run))).startswith('flowchart TD\n  n0["build<br/>failed"]')
    assert (await run_command(awx, "tree", "graph", "release", "--as", "dot")).startswith("digraph tree {")
    assert "no template is called 'nothing'" in await run_command(awx, "tree", "launch", "nothing", status=4)


async def test_trees_are_listed_canceled_and_launched_again(awx: AwxWorld) -> None:
    await awx.make_job("build")
    tree, other = await awx.make_tree(), await awx.make_tree("other")
    nodes = [{"identifier": "b", "template": "build"}]
    for each in (tree, other):
        await awx.ada.call("PUT", f"{V2}/workflow_job_templates/{each}/graph/", {"nodes": nodes})
    first = (await run_command(awx, "tree", "launch", "release")).split()[0]
    assert f"ewms tree watch {first}" in await run_command(awx, "tree", "cancel", first)
    await awx.trees.until_over(int(first))
    assert "release is canceled" in await run_command(awx, "tree", "watch", first, status=9)
    again = (await run_command(awx, "tree", "relaunch", first, "--failed")).split()[0]
    elsewhere = (await run_command(awx, "tree", "launch", "other")).split()[0]
    assert (await run_command(awx, "tree", "list", "-o", "name")).split() == [elsewhere, again, first]
    assert (await run_command(awx, "tree", "list", "-n", "1", "-o", "name")).split() == [elsewhere]
    chosen = await run_command(awx, "tree", "list", "--template", "release", "--status", "canceled", "-o", "name")
    assert chosen.split() == [first]
    assert "canceled" in await run_command(awx, "tree", "list")
    assert "no template is called 'x'" in await run_command(awx, "tree", "list", "--template", "x", status=4)


async def test_an_answer_to_a_question_that_wants_a_text_stays_as_it_is_typed(awx: AwxWorld) -> None:
    def ask(name: str, kind: str, **more: Any) -> dict[str, Any]:
        return {"variable": name, "question_name": name, "type": kind, "required": True, **more}

    questions = [ask("version", "text"), ask("stage", "multiplechoice", choices=["1", "2"]), ask("n", "integer")]
    survey = {"name": "n", "description": "", "spec": questions}
    tree = await awx.make_tree(survey_enabled=True)
    await awx.ada.post(f"/workflow_job_templates/{tree}/survey_spec/", survey, code=200)
    words = ("--var", "version=1.10", "--var", "stage=2", "--var", "n=3")
    launched = await run_command(awx, "tree", "launch", "release", *words)
    shown = await awx.ada.get(f"/workflow_jobs/{launched.split()[0]}/")
    assert json.loads(shown["extra_vars"]) == {"version": "1.10", "stage": "2", "n": 3}
    quoted = await run_command(awx, "tree", "launch", str(tree), "--var", 'version="1.10"', *words[2:])
    assert json.loads((await awx.ada.get(f"/workflow_jobs/{quoted.split()[0]}/"))["extra_vars"])["version"] == "1.10"
    rule = "DTSTART:20990101T000000Z RRULE:FREQ=DAILY"
    await run_command(awx, "tree", "schedule", "add", "release", "nightly", rule, *words)
    saved = (await awx.ada.get("/schedules/?name=nightly"))["results"][0]
    assert saved["extra_data"] == {"version": "1.10", "stage": "2", "n": 3}


async def test_an_approval_is_decided(awx: AwxWorld) -> None:
    tree = await awx.make_tree()
    nodes = [{"identifier": "s", "approval": {"name": "sign"}}]
    await awx.ada.call("PUT", f"{V2}/workflow_job_templates/{tree}/graph/", {"nodes": nodes})
    run = (await awx.ada.post(f"/workflow_job_templates/{tree}/launch/"))["id"]
    await awx.trees.until_job(run, 0)
    assert "no approval called 'x' waits" in await run_command(awx, "tree", "approve", str(run), "x", status=4)
    assert "denied" in await run_command(awx, "tree", "deny", str(run), "--comment", "too late")
    ended = await awx.trees.until_over(run)
    assert (ended.status, "too late" in str((await awx.ada.get("/workflow_approvals/"))["results"])) == ("failed", True)
    assert "no approval waits" in await run_command(awx, "tree", "approve", str(run), status=4)


async def test_a_schedule_is_added_shown_disabled_and_deleted(awx: AwxWorld) -> None:
    tree = await awx.make_tree(ask_variables_on_launch=True)
    rule = "DTSTART;TZID=Europe/Berlin:20260101T023000 RRULE:FREQ=DAILY;INTERVAL=1"
    schedule = ("tree", "schedule")
    added = await run_command(awx, *schedule, "add", "release", "nightly", rule, "--var", "version=1.2")
    assert "nightly" in added
    shown = json.loads(await run_command(awx, "-o", "json", *schedule, "show", "nightly", "--next", "3"))
    assert (shown["unified_job_template"], shown["extra_data"]) == (tree, {"version": 1.2})
    assert len(shown["next_runs"]) == 3
    assert "T02:30:00+0" in await run_command(awx, *schedule, "show", str(shown["id"]))
    assert "next: disabled" in await run_command(awx, *schedule, "disable", "nightly")
    assert "disabled" in await run_command(awx, *schedule, "list")
    assert "next: 20" in await run_command(awx, *schedule, "enable", "nightly")
    careful = ("--start-deadline", "60", "--skip-if-running")
    assert "60 s late" in await run_command(awx, *schedule, "add", "release", "careful", rule, *careful)
    shown = json.loads(await run_command(awx, "-o", "json", *schedule, "show", "careful"))
    assert (shown["start_deadline_s"], shown["skip_if_running"]) == (60, True)
    for frequency, said in (("YEARLY", "never occurs"), ("DAILY", "name days that exist")):
        never = rule.replace("DAILY", frequency) + ";BYMONTH=2;BYMONTHDAY=30"
        assert said in await run_command(awx, *schedule, "add", "release", "n", never, status=2)
    assert "deleted" in await run_command(awx, *schedule, "delete", "nightly")
    assert "no schedule is called 'nightly'" in await run_command(awx, *schedule, "show", "nightly", status=4)
