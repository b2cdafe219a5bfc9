"""Ends that the user sees: exit statuses of `wait` and `watch`, and loops over results that end by themselves."""

import json
from typing import Any

import pytest

from ewms import Client, OutcomeFailed
from ewms.queue_client import Queue
from tests.integration.ewms.conftest import ALIAS, WORKFLOW, FakeGateway, PublicQueue
from tests.integration.ewms.test_command import DEPTHS, TASKFORCE, ewms, shows, workflow

OVER = {**TASKFORCE, "phase": "condor-complete", "compound_statuses": {"REMOVED": {"Done": 4}}}
TWO_WORKERS_FAILED = {**OVER, "top_task_errors": {"ValueError: bad pixel": 2}}


def ending(completion: str | None = None, *, n_dead: int | None = None, has_all_results: bool = True) -> dict[str, Any]:
    return {
        "workflow_id": WORKFLOW,
        "inputs_closed_at": "2026-11-28T08:00:00Z",
        "expected_results": None,
        "count_failures": False,
        "completion": completion,
        "n_dead": n_dead,
        "has_all_results": has_all_results,
    }


def lies_there(n_ready: int, *, in_hand: int = 0, n_dead: int = 0) -> dict[str, Any]:
    queue = {**DEPTHS["queues"][0], "n_ready": n_ready, "n_unacknowledged": in_hand, "n_delayed": 0}
    return {**DEPTHS, "queues": [queue], "n_dead": n_dead, "max_age_s": 0.1}


@pytest.mark.parametrize(
    ("label", "completion", "n_dead", "status", "word"),
    [
        ("FINISHED", "done", 0, 0, "done"),
        ("FINISHED", "done with failures", 2, 8, "2 event(s) are dead letters"),
        ("FINISHED", None, 2, 8, "2 event(s) are dead letters"),
        ("FINISHED", None, 0, 1, "2 worker(s): ValueError: bad pixel"),
        ("ABORTED", None, 0, 9, "was aborted"),
    ],
)
@pytest.mark.parametrize("verb", ["wait", "watch"])
def test_each_end_has_its_own_status(
    gateway: FakeGateway, verb: str, label: str, completion: str | None, n_dead: int, status: int, word: str
) -> None:
    shows(gateway, (label, TWO_WORKERS_FAILED))
    gateway.on(f"GET /v1/workflows/{WORKFLOW}/queues", (200, lies_there(0, n_dead=n_dead), {}))
    gateway.on(f"GET /v1/workflows/{WORKFLOW}/ending", (200, ending(completion, n_dead=n_dead), {}))
    done = ewms(gateway, "workflow", verb, WORKFLOW)
    assert done.returncode == status, done.stderr
    assert word in done.stderr


@pytest.mark.parametrize("way", ["--wait", "--watch"])
def test_a_submit_that_waits_names_its_workflow_and_ends_with_the_status_of_the_end(
    gateway: FakeGateway, way: str
) -> None:
    shows(gateway, ("FINISHED", OVER))
    made = {"workflow": workflow(), "task_directives": [], "taskforces": [TASKFORCE]}
    gateway.on("POST /v1/workflows", (200, made, {}))
    gateway.on(f"GET /v1/workflows/{WORKFLOW}/ending", (200, ending("done with failures", n_dead=2), {}))
    task = {"task_image": "i", "cluster_locations": ["c"], "input_queue_aliases": ["in"]}
    request = json.dumps({"tasks": [task], "public_queue_aliases": ["in"]})
    done = ewms(gateway, "workflow", "submit", "-", way, stdin=request)
    assert (done.returncode, done.stdout) == (8, f"{WORKFLOW}\n"), done.stderr
    assert "2 event(s) were dead letters" in done.stderr
    done = ewms(gateway, "workflow", "submit", "-", way, "-o", "json", stdin=request)
    assert (done.returncode, json.loads(done.stdout)["workflow"]["deactivated"]) == (8, "FINISHED")
    # What does not work after the submit hides no workflow.
    gateway.on(f"POST /v1/workflows/{WORKFLOW}/expected-results", (409, {"code": 409, "error": "no results"}, {}))
    done = ewms(gateway, "workflow", "submit", "-", way, "--expect", "5", stdin=request)
    assert (done.returncode, done.stdout) == (5, f"{WORKFLOW}\n"), done.stderr
    assert gateway.asked[-1].body == {"n": 5, "count_failures": False}


def test_fewer_results_than_expected_end_with_status_8_and_the_reason(gateway: FakeGateway) -> None:
    shows(gateway, ("FINISHED", OVER))
    short = {**ending("done with failures", n_dead=0), "expected_results": 30, "n_results": 27}
    gateway.on(f"GET /v1/workflows/{WORKFLOW}/queues", (200, lies_there(0), {}))
    gateway.on(f"GET /v1/workflows/{WORKFLOW}/ending", (200, {**short, "reason": "27 of 30 expected results"}, {}))
    done = ewms(gateway, "workflow", "wait", WORKFLOW)
    assert done.returncode == 8, done.stderr
    assert f"{WORKFLOW} is done with failures: 27 of 30 expected results" in done.stderr
    assert "27 of 30 expected results came" in done.stderr
    assert f"ewms workflow show {WORKFLOW}" in done.stderr
    assert "done with failures: 27 of 30 expected results" in ewms(gateway, "workflow", "show", WORKFLOW).stdout


def test_a_loop_over_results_ends_when_all_are_delivered(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    publish(gateway, "1", "2")
    gateway.on(
        f"GET /v1/workflows/{WORKFLOW}/ending", (200, ending(has_all_results=False), {}), (200, ending("done"), {})
    )
    # Another consumer has one in hand at first, which may come back.
    gateway.on(f"GET /v1/workflows/{WORKFLOW}/queues", (200, lies_there(0, in_hand=1), {}), (200, lies_there(0), {}))
    done = ewms(gateway, "queue", "consume", WORKFLOW, ALIAS)
    assert (done.returncode, done.stdout.split()) == (0, ["1", "2"])
    assert sum(asked.path.endswith("/ending") for asked in gateway.asked) >= 3


def test_too_few_results_are_told_when_no_more_can_come(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    publish(gateway, "1", "2")
    gateway.on(f"GET /v1/workflows/{WORKFLOW}/ending", (200, ending("done with failures", n_dead=1), {}))
    gateway.on(f"GET /v1/workflows/{WORKFLOW}/queues", (200, lies_there(0), {}))
    with Client(gateway.url, token="t") as ews:
        results = ews.run(WORKFLOW).queue(ALIAS).results(n=3)
        with pytest.raises(OutcomeFailed, match=r"2 of 3 events came, and WF-.* has ended"):
            for _ in results:
                pass


def test_leaving_a_publishers_block_closes_the_inputs_unless_it_failed(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    route = f"POST /v1/workflows/{WORKFLOW}/close-inputs"
    gateway.on(route, (200, ending(), {}))
    with Client(gateway.url, token="t") as ews:
        queue = ews.run(WORKFLOW).queue(ALIAS)
        with pytest.raises(KeyError):
            fail_after_sending(queue)
        assert not any(asked.path.endswith("close-inputs") for asked in gateway.asked)
        with queue.publisher(close_inputs=True) as publisher:
            publisher.send("2")
    assert sum(asked.path.endswith("close-inputs") for asked in gateway.asked) == 1


def test_the_command_closes_inputs_and_says_how_many_results_are_expected(gateway: FakeGateway) -> None:
    shows(gateway, (None, TASKFORCE))
    gateway.on(f"POST /v1/workflows/{WORKFLOW}/close-inputs", (200, ending(), {}))
    gateway.on(f"POST /v1/workflows/{WORKFLOW}/expected-results", (200, ending(), {}))
    assert "inputs closed; it ends by itself" in ewms(gateway, "workflow", "close-inputs", WORKFLOW).stdout
    done = ewms(gateway, "workflow", "expect", WORKFLOW, "5", "--count-failures")
    assert "ends when 5 result(s) have arrived" in done.stdout
    assert gateway.asked[-1].body == {"n": 5, "count_failures": True}


def test_the_command_closes_no_inputs_of_a_workflow_that_has_ended(gateway: FakeGateway) -> None:
    shows(gateway, ("FINISHED", OVER))
    gateway.on(f"GET /v1/workflows/{WORKFLOW}/ending", (200, ending("done"), {}))
    gateway.on(f"POST /v1/workflows/{WORKFLOW}/close-inputs", (200, ending("done"), {}))
    done = ewms(gateway, "workflow", "close-inputs", WORKFLOW)
    assert (done.returncode, done.stdout) == (5, "")
    assert "is done already: its inputs cannot be closed" in done.stderr


def fail_after_sending(queue: Queue) -> None:
    with queue.publisher(close_inputs=True) as publisher:
        publisher.send("1")
        raise KeyError


def publish(gateway: FakeGateway, *lines: str) -> None:
    done = ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, stdin="".join(f"{line}\n" for line in lines))
    assert done.returncode == 0, done.stderr
