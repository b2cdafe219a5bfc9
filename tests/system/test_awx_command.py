"""The `awx` command of awxkit drives the running system, unchanged. Tests name the contract's rows that they prove."""

import json
import re
from typing import Any

import pytest

from deploy.local.system.stack import Stack
from tests.commands import run_awx
from tests.system.awx_clients import AwxCommand
from tests.system.conftest import CLUSTER

FLEET = {
    "kind": "fleet",
    "request": {
        "public_queue_aliases": ["in", "out"],
        "tasks": [
            {
                "cluster_locations": [CLUSTER],
                "task_image": "none",
                "task_args": "cp {{INFILE}} {{OUTFILE}}",
                "input_queue_aliases": ["in"],
                "output_queue_aliases": ["out"],
                "n_workers": 1,
                "worker_config": {
                    "do_transfer_worker_stdouterr": True,
                    "max_worker_runtime": 60,
                    "n_cores": 1,
                    "priority": 1,
                    "worker_disk": "64M",
                    "worker_memory": "64M",
                },
                "pilot_config": {"environment": {"_EWMS_PILOT_CONTAINER_PLATFORM": "none"}, "input_files": []},
            }
        ],
    },
    "events": ["hello"],
}
SURVEY = {
    "name": "Release",
    "description": "",
    "spec": [{"variable": "version", "question_name": "Which?", "type": "text", "required": True}],
}
ORGANIZATION = {"name": "default", "type": "organization"}

LABEL = {
    "name": "nightly",
    "organization": ORGANIZATION,
    "natural_key": {"organization": ORGANIZATION, "name": "nightly", "type": "label"},
}


def name_template(name: str) -> dict[str, Any]:
    return {"organization": ORGANIZATION, "name": name, "type": "workflow_job_template"}


def name_node(tree: str, identifier: str) -> dict[str, Any]:
    return {
        "workflow_job_template": name_template(tree),
        "identifier": identifier,
        "type": "workflow_job_template_node",
    }


def describe_node(tree: str, identifier: str, *, success: tuple[str, ...] = (), approval: str = "") -> dict[str, Any]:
    """Return a node as a file for `awx import` has it."""
    related: dict[str, Any] = {
        "success_nodes": [name_node(tree, each) for each in success],
        "failure_nodes": [],
        "always_nodes": [],
    }
    if approval:
        related["create_approval_template"] = {"name": approval, "description": "", "timeout": 1}
    return {
        "identifier": identifier,
        "workflow_job_template": name_template(tree),
        "unified_job_template": None,
        "related": related,
        "natural_key": name_node(tree, identifier),
    }


@pytest.fixture(scope="module")
def tokens(with_worker: Stack) -> dict[str, str]:
    found: dict[str, str] = with_worker.list_endpoints()["tokens"]
    return found


@pytest.fixture(scope="module")
def awx(with_worker: Stack, tokens: dict[str, str]) -> AwxCommand:
    """The command of an organization's admin."""
    return AwxCommand(with_worker.gateway, tokens["org-admin"])


@pytest.fixture(scope="module")
def root(with_worker: Stack, tokens: dict[str, str]) -> AwxCommand:
    """The command of a superuser."""
    return AwxCommand(with_worker.gateway, tokens["superuser"])


def test_k1_k2_the_first_questions_of_the_command_are_answered(
    with_worker: Stack, awx: AwxCommand, tokens: dict[str, str]
) -> None:
    assert awx.call("me")["results"][0]["username"] == "org-admin"
    assert awx.call("ping")["instances"] == []
    assert awx.call("users", "list")["count"] >= 1
    assert awx.call("teams", "list")["count"] == 0
    stranger = AwxCommand(with_worker.gateway, "no-token")
    assert "Valid credentials were not provided" in stranger.run("organizations", "list", code=1).stderr
    auditor = AwxCommand(with_worker.gateway, tokens["org-auditor"])
    assert "invalid choice: 'create'" in auditor.run("job_templates", "create", code=2).stderr
    # No issuer of ours has passwords of people: the command says that it found nothing.
    login = stranger.run("login", environment={"TOWER_USERNAME": "ada", "TOWER_PASSWORD": "x"})
    assert "Error retrieving" in login.stdout + login.stderr
    # A real start says what a fork says.
    for words in (["me"], ["job_templates", "list"], ["no_such_kind"]):
        started, forked = awx.start(*words), run_awx(*words, environment=awx.environment)
        assert (started.returncode, started.stdout, started.stderr) == (forked.returncode, forked.stdout, forked.stderr)


def test_k4_1_organizations_are_created_changed_and_deleted_by_name(root: AwxCommand, awx: AwxCommand) -> None:
    made = root.call("organizations", "create", "--name", "west", "--description", "W")
    assert (made["type"], made["name"]) == ("organization", "west")
    assert root.call("organizations", "modify", "west", "--description", "far")["description"] == "far"
    assert root.call("organizations", "get", "west")["id"] == made["id"]
    refused = root.call("organizations", "create", "--name", "west", code=1)
    assert "already exists" in refused["name"][0]
    assert "invalid choice: 'create'" in awx.run("organizations", "create", "--name", "x", code=2).stderr
    root.run("organizations", "delete", "west")
    assert root.call("organizations", "list", "--name", "west")["count"] == 0


def test_k4_4_k4_5_a_tree_is_built_by_names_and_by_edges(awx: AwxCommand) -> None:
    trees, nodes = "workflow_job_templates", "workflow_job_template_nodes"
    made = awx.call(trees, "create", "--name", "built", "--organization", "default", "--topology", "dag")
    assert (made["topology"], made["survey_enabled"]) == ("dag", False)
    again = awx.call(trees, "create", "--name", "built", "--organization", "default", code=1)
    assert "already exists" in again["__all__"][0]
    awx.call("job_templates", "create", "--name", "copy", "--organization", "default", "--work", json.dumps(FLEET))
    changed = awx.call(trees, "modify", "built", "--extra_vars", "color: blue", "--ask_variables_on_launch", "true")
    assert (json.loads(changed["extra_vars"]), changed["ask_variables_on_launch"]) == ({"color": "blue"}, True)
    ids = [
        awx.call(nodes, "create", "--workflow_job_template", "built", "--identifier", each, *more)["id"]
        for each, more in (("first", ("--unified_job_template", "copy")), ("second", ()))
    ]
    joined = awx.call(nodes, "modify", str(ids[0]), "--add_success_nodes", str(ids[1]))
    assert (joined["success_nodes"], joined["identifier"]) == ([ids[1]], "first")
    listed = awx.call(nodes, "list", "--workflow_job_template", str(made["id"]), "--identifier", "second")
    assert [row["id"] for row in listed["results"]] == [ids[1]]
    assert awx.call(trees, "list", "--name__icontains", "UIL", "--page_size", "1")["count"] == 1
    assert awx.call(trees, "get", "built")["id"] == made["id"]
    wrong = awx.call(nodes, "modify", str(ids[1]), "--add_always_nodes", str(ids[0]), code=1)
    assert wrong["Error"].startswith("cycle detected")


def test_k4_12_k4_13_k4_14_a_launch_is_followed_to_its_end(awx: AwxCommand) -> None:
    tree = {
        "name": "quick",
        "description": "",
        "organization": ORGANIZATION,
        "topology": "dag",
        "related": {"workflow_nodes": [describe_node("quick", "sign", approval="sign it")], "survey_spec": {}},
        "natural_key": name_template("quick"),
    }
    awx.run("import", stdin=json.dumps({"workflow_job_templates": [tree]}))
    # The approval fails after a second, and no edge handles that.
    waited = awx.run("workflow_job_templates", "launch", "quick", "--wait", "--interval", "2.5", code=1)
    assert "failed" in waited.stdout + waited.stderr
    awx.run("job_templates", "create", "--name", "moves", "--organization", "default", "--work", json.dumps(FLEET))
    followed = awx.run("job_templates", "launch", "moves", "--monitor", "--interval", "2.5")
    assert "started" in followed.stdout
    [job] = awx.call("jobs", "list", "--name", "moves", "--status", "successful")["results"]
    assert "successful" in awx.run("jobs", "stdout", str(job["id"])).stdout
    awx.run("workflow_job_templates", "create", "--name", "empty", "--organization", "default")
    awx.run("workflow_job_template_nodes", "create", "--workflow_job_template", "empty")
    monitored = awx.run("workflow_job_templates", "launch", "empty", "--monitor", "--interval", "2.5")
    assert "Launching empty" in monitored.stdout + monitored.stderr
    [run] = awx.call("workflow_jobs", "list", "--name", "empty")["results"]
    assert run["status"] == "successful"
    awx.run("workflow_jobs", "monitor", str(run["id"]))


def test_1_11_5_export_import_export_gives_the_same_file(awx: AwxCommand, root: AwxCommand) -> None:
    nodes = [
        describe_node("release", "build", success=("sign", "tell")),
        describe_node("release", "sign", success=("deploy",), approval="sign it"),
        describe_node("release", "deploy"),
        describe_node("release", "tell"),
    ]
    tree = {
        "name": "release",
        "description": "of everything",
        "organization": ORGANIZATION,
        "topology": "dag",
        "survey_enabled": True,
        "extra_vars": '{"color": "blue"}',
        "related": {"workflow_nodes": nodes, "survey_spec": SURVEY, "labels": [LABEL]},
        "natural_key": name_template("release"),
    }
    awx.run("import", stdin=json.dumps({"workflow_job_templates": [tree]}))
    hook = {"url": "http://127.0.0.1:9/", "headers": {}}
    awx.run(
        *("notification_templates", "create", "--name", "hook", "--organization", "default"),
        *("--notification_type", "webhook", "--notification_configuration", json.dumps(hook)),
    )
    awx.run("workflow_job_templates", "associate", "release", "--success_notification", "hook")
    rule = "DTSTART;TZID=Europe/Berlin:20260101T023000 RRULE:FREQ=DAILY;INTERVAL=1"
    scheduled = awx.call(
        *("schedules", "create", "--name", "nightly", "--unified_job_template", "release"),
        *("--rrule", rule, "--extra_data", '{"version": "9"}'),
    )
    assert (scheduled["enabled"], scheduled["timezone"]) == (True, "Europe/Berlin")
    kept = json.loads(root.run("export", "--schedules").stdout)["schedules"]
    assert [(each["name"], each["extra_data"]) for each in kept] == [("nightly", {"version": "9"})]
    first = root.run("export").stdout
    exported = json.loads(first)
    assert {name for name, rows in exported.items() if rows} >= {"organizations", "workflow_job_templates"}
    [found] = [each for each in exported["workflow_job_templates"] if each["name"] == "release"]
    assert found["related"]["survey_spec"]["spec"][0]["variable"] == "version"
    by_identifier = {each["identifier"]: each for each in found["related"]["workflow_nodes"]}
    assert [each["identifier"] for each in by_identifier["build"]["related"]["success_nodes"]] == ["sign", "tell"]
    assert by_identifier["sign"]["related"]["create_approval_template"]["name"] == "sign it"
    assert found["related"]["labels"] == [LABEL]
    [sent] = found["related"]["notification_templates_success"]
    assert sent["name"] == "hook"
    root.run("import", stdin=first)
    assert root.run("export").stdout == first
    # A deleted template comes back whole, and so does its schedule. The command imports schedules before surveys.
    awx.run("workflow_job_templates", "delete", "release")
    root.run("import", stdin=first)
    again = json.loads(root.run("export", "--workflow_job_templates", "release").stdout)
    assert again["workflow_job_templates"] == [found]
    assert json.loads(root.run("export", "--schedules").stdout)["schedules"] == kept


def test_k2_7_k4_10_a_launch_takes_variables_and_wants_the_answers_of_the_survey(awx: AwxCommand) -> None:
    tree = {
        "name": "asking",
        "organization": ORGANIZATION,
        "survey_enabled": True,
        "extra_vars": '{"color": "blue"}',
        "related": {"survey_spec": SURVEY},
        "natural_key": name_template("asking"),
    }
    awx.run("import", stdin=json.dumps({"workflow_job_templates": [tree]}))
    refused = awx.call("workflow_job_templates", "launch", "asking", code=1)
    assert any("version" in text for text in refused["variables_needed_to_start"])
    launched = awx.call("workflow_job_templates", "launch", "asking", "--extra_vars", '{"version": "7"}')
    assert json.loads(launched["extra_vars"]) == {"color": "blue", "version": "7"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", launched["created"])
    assert awx.call("workflow_jobs", "list", "--name", "asking", "--status", "canceled")["count"] == 0
