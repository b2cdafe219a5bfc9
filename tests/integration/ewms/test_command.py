"""The `ewms` command as a user runs it, against a real HTTP server."""

import json
import os
import subprocess
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run_ewms
from tests.integration.ewms.conftest import ALIAS, WORKFLOW, FakeGateway

ROOT = Path(__file__).parents[3]
TASKFORCE: dict[str, Any] = {
    "taskforce_uuid": f"TF{WORKFLOW[2:]}-485d2fc0-57c5a8e4",
    "task_id": f"TK{WORKFLOW[2:]}-485d2fc0",
    "workflow_id": WORKFLOW,
    "timestamp": 1.0,
    "priority": 50,
    "collector": None,
    "schedd": "s",
    "n_workers": 4,
    "worker_config": {
        "do_transfer_worker_stdouterr": False,
        "max_worker_runtime": 60,
        "n_cores": 1,
        "priority": 0,
        "worker_disk": "1G",
        "worker_memory": "1G",
        "condor_requirements": "",
    },
    "pilot_config": {"tag": "1.0.0", "image_source": "cvmfs", "environment": {}, "input_files": []},
    "cluster_id": 7,
    "submit_dict": {},
    "job_event_log_fpath": "",
    "phase": "condor-submit",
    "phase_change_log": [],
    "compound_statuses": {"RUNNING": {"Tasking": 4}},
    "top_task_errors": {},
}
DEPTHS = {
    "workflow_id": WORKFLOW,
    "queues": [
        {
            "mqid": "a1",
            "alias": ALIAS,
            "is_public": True,
            "n_ready": 5,
            "n_unacknowledged": 1,
            "n_delayed": 2,
            "n_consumers": 4,
            "n_arrived": 9,
            "n_replayed": 0,
            "n_gone": 3,
            "may_grow": False,
        }
    ],
    "n_dead": 0,
    "n_failed": 0,
    "max_age_s": 6.0,
}


def workflow(deactivated: str | None = None) -> dict[str, Any]:
    return {
        "workflow_id": WORKFLOW,
        "timestamp": 1.0,
        "priority": 50,
        "deactivated": deactivated,
        "deactivated_ts": 2.0 if deactivated else None,
    }


def shows(gateway: FakeGateway, *states: tuple[str | None, dict[str, Any]]) -> None:
    """Have the gateway show the workflow in each of `states` in turn: how it was ended, and its taskforce."""
    gateway.on(f"GET /v1/workflows/{WORKFLOW}", *[(200, workflow(ended), {}) for ended, _ in states])
    gateway.on(
        "POST /v1/query/taskforces",
        *[(200, {"taskforces": [TASKFORCE | changes], "next_after": None}, {}) for _, changes in states],
    )
    gateway.on("POST /v1/query/task-directives", (200, {"task_directives": [], "next_after": None}, {}))
    gateway.on(f"GET /v1/workflows/{WORKFLOW}/queues", (200, DEPTHS, {}))


def ewms(gateway: FakeGateway, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EWMS_TOKEN": "t"}
    return run_ewms("--server", gateway.url, *words, stdin=stdin, environment=environment, directory=ROOT)


def test_json_is_the_rest_model(gateway: FakeGateway) -> None:
    shows(gateway, (None, {}))
    done = ewms(gateway, "workflow", "show", WORKFLOW, "-o", "json")
    assert json.loads(done.stdout) == {"workflow": workflow(), "task_directives": [], "taskforces": [TASKFORCE]}
    done = ewms(gateway, "queue", "depth", WORKFLOW, "-o", "json")
    assert json.loads(done.stdout) == DEPTHS


def test_where_tasks_can_run_is_listed(gateway: FakeGateway) -> None:
    clusters = [{"name": "osg", "schedd": "s.example.org", "n_workers": 5, "alias_of": "", "drain": None}]
    gateway.on("GET /v1/clusters", (200, {"clusters": clusters}, {}))
    assert json.loads(ewms(gateway, "cluster", "list", "-o", "json").stdout) == {"clusters": clusters}
    assert ewms(gateway, "cluster", "list", "-o", "name").stdout == "osg\n"
    assert "s.example.org" in ewms(gateway, "cluster", "list").stdout
    alias = {"name": "sub-2", "schedd": "s.example.org", "n_workers": 5, "alias_of": "osg"}
    gateway.on("GET /v1/clusters", (200, {"clusters": [*clusters, alias]}, {}))
    assert "sub-2" in ewms(gateway, "cluster", "list").stdout


def test_a_table_has_no_colours_outside_a_terminal(gateway: FakeGateway) -> None:
    shows(gateway, (None, {}))
    done = ewms(gateway, "workflow", "show", WORKFLOW)
    assert "condor-submit" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_watch_without_news_ends_when_its_reader_does(gateway: FakeGateway) -> None:
    shows(gateway, (None, {}))
    command = f"{sys.executable} -m ewms.cli --server {gateway.url} workflow watch {WORKFLOW} 2>&1 | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=150, env={**os.environ, "EWMS_TOKEN": "t"},
    )  # fmt: skip
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")


def test_watching_writes_changes_and_ends_with_the_outcome(gateway: FakeGateway) -> None:
    ended = ("ABORTED", {"phase": "condor-complete", "compound_statuses": {"REMOVED": {"Tasking": 4}}})
    shows(gateway, (None, {}), (None, {}), ended)
    done = ewms(gateway, "workflow", "watch", WORKFLOW)
    assert done.returncode == 9
    assert "was aborted" in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("[")]) == 2


def test_waiting_in_vain_has_its_own_status(gateway: FakeGateway) -> None:
    shows(gateway, (None, {}))
    done = ewms(gateway, "workflow", "wait", WORKFLOW, "--within", "0.3s")
    assert done.returncode == 6


def test_a_request_is_read_changed_and_posted(gateway: FakeGateway, tmp_path: Path) -> None:
    task = {"n_workers": 1, "task_image": "a", "cluster_locations": ["c"], "input_queue_aliases": ["in"]}
    (tmp_path / "w.json").write_text(json.dumps({"tasks": [task], "public_queue_aliases": ["in"]}))
    answer = {"workflow": workflow(), "task_directives": [], "taskforces": [TASKFORCE]}
    gateway.on("POST /v1/workflows", (200, answer, {}))
    done = ewms(
        gateway, "workflow", "submit", str(tmp_path / "w.json"),
        "--set", "tasks.*.n_workers=8", "--set", "tasks.0.task_image=/images/b",
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, WORKFLOW)
    (sent,) = gateway.asked[0].body["tasks"]
    assert (sent["n_workers"], sent["task_image"], sent["cluster_locations"]) == (8, "/images/b", ["c"])
    # What was not said is as in the Python client.
    assert sent["worker_config"]["worker_memory"] == "512M"


@pytest.mark.parametrize(("code", "status"), [(400, 2), (403, 3), (404, 4), (409, 5), (500, 1)])
def test_what_the_server_says_becomes_the_documented_status(code: int, status: int, gateway: FakeGateway) -> None:
    answer = (code, {"code": code, "error": "because"}, {})
    gateway.on(f"POST /v1/workflows/{WORKFLOW}/actions/finished", answer)
    gateway.on(f"GET /v1/workflows/{WORKFLOW}", answer)
    done = ewms(gateway, "workflow", "finish", WORKFLOW)
    assert done.returncode == status
    assert "ewms: because" in done.stderr


def test_a_workflow_that_was_ended_before_is_told_as_such(gateway: FakeGateway) -> None:
    gateway.on(f"POST /v1/workflows/{WORKFLOW}/actions/finished", (404, {"code": 404, "error": "none"}, {}))
    gateway.on(f"GET /v1/workflows/{WORKFLOW}", (200, workflow("ABORTED"), {}))
    done = ewms(gateway, "workflow", "finish", WORKFLOW)
    assert done.returncode == 5
    assert f"workflow {WORKFLOW} is already aborted" in done.stderr


@pytest.mark.parametrize(("words", "hint"), [((), "--all"), (("--all",), "ewms workflow submit")])
def test_an_empty_list_says_what_to_do(words: tuple[str, ...], hint: str, gateway: FakeGateway) -> None:
    gateway.on("POST /v1/query/workflows", (200, {"workflows": [], "next_after": None}, {}))
    done = ewms(gateway, "workflow", "list", *words)
    assert (done.returncode, done.stdout) == (0, "")
    assert hint in done.stderr


@pytest.mark.parametrize(
    ("version", "ready", "token", "status", "says"),
    [
        ("", {"mongodb": "ok"}, 200, 0, "token: the gateway accepts it"),
        ("9.0.0", {"mongodb": "ok"}, 200, 1, "install the client that belongs to the server"),
        ("", {"mongodb": "no answer within 4 s"}, 200, 1, "gateway's mongodb: no answer within 4 s"),
        ("", {"mongodb": "ok"}, 403, 1, "not ok     token: authorization failed"),
    ],
)
def test_the_doctor_names_what_is_not_well(
    version: str, ready: dict[str, str], token: int, status: int, says: str, gateway: FakeGateway
) -> None:
    gateway.on("GET /version", (200, {"version": version or version_of("ewms")}, {}))
    gateway.on("GET /readyz", (200 if set(ready.values()) == {"ok"} else 503, ready, {}))
    answer = {"workflows": [], "next_after": None} if token == 200 else {"code": 403, "error": "authorization failed"}
    gateway.on("POST /v1/query/workflows", (token, answer, {}))
    gateway.on("POST /v1/query/taskforces", (200, {"taskforces": [], "next_after": None}, {}))
    gateway.on("GET /v1/clusters", (200, {"clusters": []}, {}))
    done = ewms(gateway, "doctor")
    assert done.returncode == status, done.stderr
    assert says in done.stdout


def test_the_doctor_of_a_server_that_is_not_there_says_so_and_no_more(gateway: FakeGateway) -> None:
    done = ewms(gateway, "doctor", "--server", "http://127.0.0.1:9", "-o", "json")
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["what"], finding["is_well"]) == ("gateway", False)
    assert "ewms up" in finding["remedy"]


def health(*causes: str) -> dict[str, Any]:
    """Return what `?include=health` adds to a workflow that is stalled for `causes`."""
    told = [{"cause": "held", "text": text, "command": "ewms taskforce show TF-1"} for text in causes]
    stalled = {"since": "2026-11-28T08:00:00Z", "causes": told} if causes else None
    return {"health": {"queues_deferred": "", "queues_active_at": None, "over_at": None, "stalled": stalled}}


def test_who_waits_for_a_stalled_workflow_hears_of_it_and_may_take_it_as_a_failure(gateway: FakeGateway) -> None:
    shows(gateway, (None, {}))
    why = "3 event(s) are left, and no worker comes"
    stalled, lively = workflow() | health(why), workflow() | health()
    over = workflow("FINISHED") | health()
    gateway.on(f"GET /v1/workflows/{WORKFLOW}", *[(200, seen, {}) for seen in (stalled, stalled, lively, over)])
    gateway.on(
        "POST /v1/query/taskforces",
        *[(200, {"taskforces": [TASKFORCE], "next_after": None}, {})] * 3,
        (200, {"taskforces": [TASKFORCE | {"phase": "condor-complete"}], "next_after": None}, {}),
    )
    done = ewms(gateway, "workflow", "wait", WORKFLOW)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert f"{WORKFLOW} has been stalled since 08:00:00 UTC: {why} (next: ewms taskforce show TF-1)" in lines[0]
    assert f"{WORKFLOW} goes on" in lines[1]
    assert len(lines) == 3

    # The end of the run ends the stall, too. Nothing goes on then.
    gateway.on(f"GET /v1/workflows/{WORKFLOW}", *[(200, seen, {}) for seen in (stalled, over)])
    gateway.on(
        "POST /v1/query/taskforces",
        (200, {"taskforces": [TASKFORCE], "next_after": None}, {}),
        (200, {"taskforces": [TASKFORCE | {"phase": "condor-rm"}], "next_after": None}, {}),
        (200, {"taskforces": [TASKFORCE | {"phase": "condor-complete"}], "next_after": None}, {}),
    )
    assert "goes on" not in ewms(gateway, "workflow", "wait", WORKFLOW).stderr

    gateway.on(f"GET /v1/workflows/{WORKFLOW}", (200, stalled, {}))
    gateway.on("POST /v1/query/taskforces", (200, {"taskforces": [TASKFORCE], "next_after": None}, {}))
    done = ewms(gateway, "workflow", "wait", WORKFLOW, "--fail-if-stalled")
    assert done.returncode == 1
    assert f"{WORKFLOW} is stalled: {why}" in done.stderr
    assert "hint: ewms taskforce show TF-1" in done.stderr
    shown = ewms(gateway, "workflow", "show", WORKFLOW).stdout
    assert "stalled" in shown.splitlines()[0]
    assert why in " ".join(shown.split())


def test_why_tells_each_reason_for_missing_workers_with_its_command(gateway: FakeGateway) -> None:
    uuid = TASKFORCE["taskforce_uuid"]
    missing = [
        {
            "cause": "held",
            "n_workers": 1,
            "text": "held: disk",
            "command": f"ewms taskforce show {uuid}",
            "is_coming": False,
        },
        {"cause": "slot-awaited", "n_workers": 2, "text": "wait for a free slot", "command": "x", "is_coming": True},
    ]
    told = {
        "stuck": "", "n_submit_failures": 0, "n_remove_failures": 0, "retry_at": None, "ended_at": None,
        "status_as_of": None, "exit_codes": {}, "stale": False, "n_wanted": 4, "n_at_work": 1, "missing": missing,
    }  # fmt: skip
    gateway.on(f"GET /v1/taskforces/{uuid}", (200, TASKFORCE | {"health": told}, {}))
    failed = health("every event has failed: 3 dead letter(s)")
    failed["health"]["stalled"]["causes"][0] |= {"cause": "all-failed", "command": f"ewms dlq list {WORKFLOW}"}
    seen = [(200, workflow() | one, {}) for one in (failed, health("events wait"))]
    gateway.on(f"GET /v1/workflows/{WORKFLOW}", *seen)
    done = ewms(gateway, "taskforce", "why", uuid)
    assert f"every event has failed: 3 dead letter(s)\n    → ewms dlq list {WORKFLOW}" in done.stdout
    done = ewms(gateway, "taskforce", "why", uuid)
    assert "events wait" not in done.stdout, "the missing workers explain that"
    assert done.returncode == 0, done.stderr
    assert f"{uuid}: 1 of 4 worker(s) take events" in done.stdout
    assert f"1 worker(s) held: disk\n    → ewms taskforce show {uuid}" in done.stdout
    done = ewms(gateway, "taskforce", "why", uuid, "-o", "json")
    (found,) = json.loads(done.stdout)["taskforces"]
    assert (found["n_wanted"], found["n_at_work"]) == (4, 1)
    assert found["missing"] == [one | {"reason": ""} for one in missing]
