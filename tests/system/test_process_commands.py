"""Step lists through the product's own doors: the demonstration, and the commands of `ewms process`."""

import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from deploy.demo.process import WORKFLOW, run_demonstration
from deploy.local.system.stack import Stack
from ewms import Client
from tests.commands import run_ewms

Ewms = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def ewms(with_worker: Stack) -> Ewms:
    """Runs the command as its user would, without a terminal."""
    environment = {**os.environ, "EWMS_GATEWAY": with_worker.gateway, "EWMS_TOKEN": with_worker.token}

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return run_ewms(*words, environment=environment)

    return run


@pytest.fixture
def network(with_worker: Stack) -> Path:
    return Path(with_worker.list_endpoints()["examples"]) / "network"


def test_the_demonstration_survives_a_failure_and_a_killed_worker(with_worker: Stack) -> None:
    console = Console(file=io.StringIO(), width=160)
    with Client(with_worker.gateway, token=with_worker.token) as ews:
        run_demonstration(console, with_worker, ews)


def start(ewms: Ewms, node: str, *more: str) -> "subprocess.CompletedProcess[str]":
    page = json.dumps({"organisation": "default", "select_node": node})
    return ewms("process", "start", WORKFLOW, "--product", "Node Enrollment", "--input", page, *more)


def test_a_process_is_started_watched_shown_and_its_subscription_moved_on(ewms: Ewms) -> None:
    done = start(ewms, "ams-2", "--watch")
    assert (done.returncode, "Done: complete" in done.stderr) == (0, True), done.stderr
    process = done.stdout.strip()
    shown = ewms("process", "show", process)
    assert "✓ Create the service" in shown.stdout
    assert "next: ewms subscription workflows" in shown.stdout
    assert "launch by developer" in ewms("process", "log", process).stdout
    detail = json.loads(ewms("-o", "json", "process", "show", process).stdout)
    (subscription,) = detail["subscription_ids"]
    assert process in ewms("process", "list", "--workflow", WORKFLOW, "-o", "name").stdout.split()
    assert "validate_node_enrollment: may start" in ewms("subscription", "workflows", subscription).stdout
    for workflow in ("validate", "provision", "terminate"):
        moved = ewms("process", "start", f"{workflow}_node_enrollment", "--subscription", subscription, "--watch")
        assert moved.returncode == 0, moved.stderr
    assert "status: terminated" in ewms("subscription", "show", subscription).stdout
    refused = ewms("process", "start", "modify_node_enrollment", "--subscription", subscription)
    assert (refused.returncode, "the subscription is terminated" in refused.stderr) == (2, True), refused.stderr
    assert "examples" in ewms("pool", "list").stdout


def test_a_failed_process_names_its_error_and_is_aborted_with_its_subscription_out_of_sync(
    ewms: Ewms, network: Path
) -> None:
    network.mkdir(exist_ok=True)
    (network / "broken").touch()
    try:
        failed = start(ewms, "chi-1", "--watch")
    finally:
        (network / "broken").unlink()
    assert failed.returncode == 1
    assert "Add the device: failed: ControllerDown" in failed.stderr
    process = failed.stdout.strip()
    assert "next: ewms process retry" in ewms("process", "show", process).stdout
    assert ewms("process", "abort", process, "--reason", "not needed").returncode == 0
    assert ewms("process", "watch", process).returncode == 9
    assert ewms("process", "abort", process).returncode == 5
    assert "not needed" in ewms("process", "log", process).stdout
    (subscription,) = json.loads(ewms("-o", "json", "process", "show", process).stdout)["subscription_ids"]
    blocked = ewms("subscription", "workflows", subscription).stdout
    assert "out of sync" in blocked or "not_in_sync" in blocked
    assert ewms("subscription", "sync", subscription).returncode == 0


def test_a_flow_is_started_watched_shown_listed_and_canceled(ewms: Ewms) -> None:
    begun = ["flow", "start", "create_cluster", "--biz-type", "cluster", "--biz-id", "c1", "--set", "cluster=c1"]
    done = ewms(*begun, "--set", "n_hosts=3", "--watch")
    assert (done.returncode, "allocate hosts: Finished: 3 hosts" in done.stderr) == (0, True), done.stderr
    flow = done.stdout.strip()
    shown = ewms("flow", "show", flow).stdout
    assert "✓ create cluster" in shown
    assert "about cluster c1" in shown
    assert "next: ewms flow list --name create_cluster" in shown
    failed = ewms(*begun, "--set", "n_hosts=0", "--watch")
    assert (failed.returncode, "allocate hosts: Error" in failed.stderr) == (1, True), failed.stderr
    created = ewms("-o", "name", *begun).stdout.strip()
    assert ewms("flow", "watch", created).returncode == 1
    assert ewms("flow", "cancel", flow, "--reason", "late").returncode != 0
    listed = ewms("flow", "list", "--name", "create_", "--biz-id", "c1", "-o", "name").stdout.split()
    assert set(listed) >= {flow, created}
    assert ewms("flow", "list", "--status", "Finished").stdout.count(flow) == 1
    detail = json.loads(ewms("-o", "json", "flow", "show", flow).stdout)
    assert detail["nodeNames"] == ["allocate hosts", "create cluster", "announce"]


def test_an_event_is_published_and_kept_if_no_process_waits_for_it(ewms: Ewms) -> None:
    event = ("process", "publish-event", "box.delivered", "--correlation", "7", "--id", "e1")
    told = ewms(*event, "--body", '{"box": 1}')
    assert (told.returncode, "no process waits for it; the server keeps it" in told.stderr) == (0, True), told.stderr
    assert json.loads(ewms("-o", "json", *event, "--body", '{"box": 1}').stdout) == {
        "name": "box.delivered",
        "n_ended": 0,
    }
    other = ewms(*event, "--body", '{"box": 2}')
    assert (other.returncode, "there is another event with this id" in other.stderr) == (5, True), other.stderr


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("flow", "start", "nothing"), 4, "workflow define not found: nothing"),
        (("flow", "start", "create_cluster", "--set", "odd"), 2, "--set odd: write it as KEY=VALUE"),
        (("flow", "list", "--status", "odd"), 2, "'status': must be one of"),
        (("flow", "show", "nothing"), 1, "no workflow found with id: nothing"),
        (("process", "start", WORKFLOW), 2, "product"),
        (("process", "start", WORKFLOW, "--product", "Node Enrollment"), 2, "organisation, select_node"),
        (("process", "start", WORKFLOW, "--product", "Nothing"), 4, "products: Node Enrollment"),
        (("process", "start", "nothing"), 4, "no definition found with name: nothing"),
        (("process", "start", WORKFLOW, "--input", "[1]"), 2, "a list of JSON objects"),
        (("process", "start", WORKFLOW, "--input", "/nothing"), 2, "No such file"),
        (("process", "publish-event", "e", "--body", "{"), 2, "--body: this is no JSON"),
        (("process", "publish-event", "e", "--organization", "nowhere"), 4, "no organization found"),
        (("process", "show", "nothing"), 4, "nothing found with id: nothing"),
        (("process", "list", "--status", "odd"), 2, "'odd' is no last_status"),
        (("subscription", "show", "nothing"), 4, "nothing found with id"),
    ],
)
def test_bad_input_names_what_is_wrong(ewms: Ewms, words: tuple[str, ...], status: int, text: str) -> None:
    done = ewms(*words)
    assert (done.returncode, text in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr
