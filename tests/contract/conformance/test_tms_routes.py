"""Contract 1.2: an external TMS drives the WMS over REST."""

import time
from typing import Any

import pytest

from tests.contract.conformance import shapes
from tests.contract.conformance.shapes import is_exactly
from tests.contract.conformance.test_workflows import NO_TASKFORCE
from tests.contract.conformance.world import ALPHA, BETA, SCHEDD_OF, SUBMITTED, World, log, ok, refused, request
from tests.waiting import wait_until

STARTER, STOPPER = "/tms/pending-starter/taskforces", "/tms/pending-stopper/taskforces"
SCHEDD = SCHEDD_OF[ALPHA]


def confirm(world: World, what: str, uuid: str, body: Any = None) -> None:
    """Say `what` of a taskforce, and see the contract's answer."""
    step, _, failed = what.partition("/")
    path = f"/tms/{step}/taskforces/{uuid}" + (f"/{failed}" if failed else "")
    assert ok(world.tms.post(path, body)) == {"taskforce_uuid": uuid}


def test_nothing_to_do_is_an_empty_object(world: World) -> None:
    for path in (STARTER, STOPPER):
        assert ok(world.tms.get(path, schedd="nobody-has-this")) == {}
        assert ok(world.tms.get(path, schedd=SCHEDD, collector="anything")) == {}


@pytest.mark.parametrize("path", [STARTER, STOPPER])
def test_a_schedd_has_to_be_named(world: World, path: str) -> None:
    for query in ({}, {"collector": "x"}):
        refused(world.tms.get(path, **query), 400, "Missing required query parameter: schedd")


def test_what_waits_for_a_start_is_told_whole_with_live_tokens_and_is_not_claimed(world: World) -> None:
    made = world.submit()
    uuid = made["taskforces"][0]["taskforce_uuid"]
    world.in_phase(uuid, "pending-starter")
    for _ in range(2):
        answer = world.tms.get(STARTER, schedd=SCHEDD)
        assert answer.headers["EWMS-Submitter"].startswith("ewms-")
        told = ok(answer)
        assert told.keys() == {"taskforce", "task_directive", "mqprofiles"}
        is_exactly(told["taskforce"], shapes.TASKFORCE)
        assert told["taskforce"] == world.taskforce(uuid)
        assert told["task_directive"] == made["task_directives"][0]
        for profile in told["mqprofiles"]:
            is_exactly(profile, shapes.MQPROFILE)
            assert profile["is_activated"]
            assert profile["auth_token"]
            assert profile["broker_type"] == "rabbitmq"
            assert "@" in profile["broker_address"]
        task = told["task_directive"]
        assert [p["mqid"] for p in told["mqprofiles"]] == [*task["input_queues"], *task["output_queues"]]
    assert ok(world.tms.get(STARTER, schedd=SCHEDD_OF[BETA])) == {}


def test_a_submit_sets_the_four_fields_and_the_phase(world: World) -> None:
    before = world.started()
    uuid = before["taskforce_uuid"]
    confirm(world, "condor-submit", uuid, {**SUBMITTED, "n_workers": 249})
    after = world.taskforce(uuid)
    assert {name: after[name] for name in SUBMITTED} == {**SUBMITTED, "n_workers": 249}
    assert after["phase"] == "condor-submit"
    assert log(after)[-1] == ("condor-submit", True, "TMS", "")
    changed = {*SUBMITTED, "phase", "phase_change_log"}
    assert {k: v for k, v in after.items() if k not in changed} == {k: v for k, v in before.items() if k not in changed}
    assert ok(world.tms.get(STARTER, schedd=SCHEDD)) == {}
    refused(
        world.tms.post(f"/tms/condor-submit/taskforces/{uuid}", {**SUBMITTED, "cluster_id": 7}),
        404,
        f"no 'pending-starter' taskforce found with uuid: {uuid}",
    )
    assert world.taskforce(uuid) == after


@pytest.mark.parametrize("missing", SUBMITTED)
def test_a_submit_needs_its_four_fields(world: World, missing: str) -> None:
    uuid = world.started()["taskforce_uuid"]
    body = {name: value for name, value in SUBMITTED.items() if name != missing}
    refused(world.tms.post(f"/tms/condor-submit/taskforces/{uuid}", body), 400, "Bad Request")
    assert world.taskforce(uuid)["phase"] == "pending-starter"


@pytest.mark.parametrize("submit_dict", [{"a\0b": 1}, {"a": 2**64}, {"a": True}, {"a": 1.5}], ids=repr)
def test_a_submit_description_that_cannot_be_kept_is_refused_by_name(world: World, submit_dict: dict[str, Any]) -> None:
    uuid = world.started()["taskforce_uuid"]
    answer = world.tms.post(f"/tms/condor-submit/taskforces/{uuid}", {**SUBMITTED, "submit_dict": submit_dict})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"].startswith("'submit_dict")
    assert world.taskforce(uuid)["phase"] == "pending-starter"


def test_what_waits_for_nothing_cannot_be_submitted(world: World) -> None:
    refused(
        world.tms.post(f"/tms/condor-submit/taskforces/{NO_TASKFORCE}", SUBMITTED),
        404,
        f"no 'pending-starter' taskforce found with uuid: {NO_TASKFORCE}",
    )


def test_a_failed_submit_is_a_line_in_the_log_and_three_are_the_end(world: World) -> None:
    uuid = world.started()["taskforce_uuid"]
    path = f"/tms/condor-submit/taskforces/{uuid}/failed"
    refused(world.tms.post(path, {}), 400, "Bad Request")
    for n in range(1, 4):
        assert (
            wait_until(lambda: ok(world.tms.get(STARTER, schedd=SCHEDD)), bool)["taskforce"]["taskforce_uuid"] == uuid
        )
        confirm(world, "condor-submit/failed", uuid, {"error": f"no. {n}"})
        found = world.taskforce(uuid)
        assert found["phase"] == "pending-starter"
        assert log(found)[-1] == ("condor-submit", False, "TMS", f"ERROR: no. {n}")
    assert ok(world.tms.get(STARTER, schedd=SCHEDD)) == {}
    uuid = world.submitted()["taskforce_uuid"]
    refused(
        world.tms.post(f"/tms/condor-submit/taskforces/{uuid}/failed", {"error": "late"}),
        404,
        f"no 'pending-starter' taskforce found with uuid: {uuid}",
    )


def test_starts_are_told_by_priority_then_failures_then_age(world: World) -> None:
    def one(priority: int) -> str:
        body = {**request(), "priority": priority}
        uuid: str = world.submit(body)["taskforces"][0]["taskforce_uuid"]
        return uuid

    low, old, young, high = one(10), one(50), one(50), one(90)
    failing = one(50)
    for uuid in (low, old, young, high, failing):
        world.in_phase(uuid, "pending-starter")
    # The oldest of the equals has failed once, so the others of its priority go before it.
    confirm(world, "condor-submit/failed", old, {"error": "x"})
    told = []
    for _ in range(5):
        uuid = wait_until(lambda: ok(world.tms.get(STARTER, schedd=SCHEDD)), bool)["taskforce"]["taskforce_uuid"]
        told.append(uuid)
        confirm(world, "condor-submit", uuid, SUBMITTED)
    assert told == [high, young, failing, old, low]


def test_more_wait_for_a_start_than_a_launch_window_when_their_tms_asks(world: World) -> None:
    body = request()
    body["tasks"] = [{**body["tasks"][0], "n_workers": n} for n in range(1, 10)]
    for taskforce in world.submit(body)["taskforces"]:
        world.in_phase(taskforce["taskforce_uuid"], "pending-starter")


def test_what_is_to_be_stopped_is_told_bare_and_only_with_a_cluster(world: World) -> None:
    submitted, pending = world.submitted(), world.started()
    for taskforce in (submitted, pending):
        ok(world.user.post(f"/workflows/{taskforce['workflow_id']}/actions/abort"))
    told = ok(world.tms.get(STOPPER, schedd=SCHEDD))
    is_exactly(told, shapes.TASKFORCE)
    assert told == world.taskforce(submitted["taskforce_uuid"])
    confirm(world, "condor-rm", submitted["taskforce_uuid"])
    assert ok(world.tms.get(STOPPER, schedd=SCHEDD)) == {}
    assert ok(world.tms.get(STARTER, schedd=SCHEDD)) == {}


def test_stops_are_told_by_age(world: World) -> None:
    first, second = world.submitted(), world.submitted()
    for taskforce in (second, first):
        ok(world.user.post(f"/workflows/{taskforce['workflow_id']}/actions/abort"))
    for expected in (first, second):
        told = ok(world.tms.get(STOPPER, schedd=SCHEDD))
        assert told["taskforce_uuid"] == expected["taskforce_uuid"]
        confirm(world, "condor-rm", told["taskforce_uuid"])


def test_a_removal_that_failed_is_a_line_in_the_log(world: World) -> None:
    taskforce = world.submitted()
    uuid = taskforce["taskforce_uuid"]
    ok(world.user.post(f"/workflows/{taskforce['workflow_id']}/actions/abort"))
    refused(world.tms.post(f"/tms/condor-rm/taskforces/{uuid}/failed", {}), 400, "Bad Request")
    confirm(world, "condor-rm/failed", uuid, {"error": "schedd away"})
    found = world.taskforce(uuid)
    assert found["phase"] == "pending-stopper"
    assert log(found)[-1] == ("condor-rm", False, "TMS", "ERROR: schedd away")


@pytest.mark.parametrize("body", [None, "nothing"])
def test_a_removal_and_a_completion_move_on_and_their_repetition_changes_nothing(world: World, body: Any) -> None:
    taskforce = world.submitted()
    uuid = taskforce["taskforce_uuid"]
    ok(world.user.post(f"/workflows/{taskforce['workflow_id']}/actions/finished"))
    if body == "nothing":
        answer = world.http.post(f"{world.prefix}/tms/condor-rm/taskforces/{uuid}", headers=dict(world.tms.headers))
        assert ok(answer) == {"taskforce_uuid": uuid}
    else:
        confirm(world, "condor-rm", uuid)
    found = world.taskforce(uuid)
    assert (found["phase"], log(found)[-1]) == ("condor-rm", ("condor-rm", True, "TMS", ""))
    ended_at = int(time.time())
    confirm(world, "condor-complete", uuid, {"condor_complete_ts": ended_at})
    found = world.taskforce(uuid)
    assert (found["phase"], log(found)[-1]) == ("condor-complete", ("condor-complete", True, "TMS", ""))
    assert found["phase_change_log"][-1]["source_event_time"] == ended_at
    # Ruling 9: what would repeat a phase, or go back, gets its 200 and leaves no line.
    confirm(world, "condor-complete", uuid, {"condor_complete_ts": ended_at})
    confirm(world, "condor-rm", uuid)
    assert world.taskforce(uuid) == found


def test_what_does_not_exist_cannot_be_confirmed(world: World) -> None:
    error = f"no non-condor-completed taskforce found with uuid: {NO_TASKFORCE}"
    refused(world.tms.post(f"/tms/condor-complete/taskforces/{NO_TASKFORCE}", {"condor_complete_ts": 1}), 404, error)
    for path, body in (("", {}), ("/failed", {"error": "x"})):
        assert world.tms.post(f"/tms/condor-rm/taskforces/{NO_TASKFORCE}{path}", body).status_code == 404


@pytest.mark.parametrize("body", [{}, {"condor_complete_ts": "x"}, {"condor_complete_ts": 1, "foo": 1}])
def test_a_completion_needs_its_time(world: World, body: Any) -> None:
    uuid = world.submitted()["taskforce_uuid"]
    assert world.tms.post(f"/tms/condor-complete/taskforces/{uuid}", body).status_code == 400
    assert world.taskforce(uuid)["phase"] == "condor-submit"


STATUSES = "/tms/statuses/taskforces"


def test_statuses_are_replaced_not_merged(world: World) -> None:
    uuid = world.submitted()["taskforce_uuid"]

    def report(**body: Any) -> dict[str, Any]:
        assert ok(world.tms.post(STATUSES, body)) == {"results": [{"uuid": uuid, "status": "updated"}]}
        return world.taskforce(uuid)

    # Any key is a status: the contract's own tests use words of their own.
    first = {
        "IDLE": {"null": 3},
        "HELD: Memory usage exceeds a memory limit": {"Tasking": 1},
        "started/tasked": {"a": 1},
    }
    errors = {"RuntimeError: 1 TASK(S) FAILED: $x.y": 2}
    found = report(compound_statuses_by_taskforce={uuid: first}, top_task_errors_by_taskforce={uuid: errors})
    assert (found["compound_statuses"], found["top_task_errors"]) == (first, errors)
    found = report(compound_statuses_by_taskforce={uuid: {"RUNNING": {"Tasking": 4}}})
    assert (found["compound_statuses"], found["top_task_errors"]) == ({"RUNNING": {"Tasking": 4}}, errors)
    found = report(top_task_errors_by_taskforce={uuid: {"E": 1}})
    assert (found["compound_statuses"], found["top_task_errors"]) == ({"RUNNING": {"Tasking": 4}}, {"E": 1})
    assert found["phase"] == "condor-submit"


def test_statuses_of_an_unknown_taskforce_are_207_and_come_first(world: World) -> None:
    uuid = world.submitted()["taskforce_uuid"]
    body = {"compound_statuses_by_taskforce": {uuid: {"IDLE": {"null": 1}}, NO_TASKFORCE: {"IDLE": {"null": 1}}}}
    answer = world.tms.post(STATUSES, body)
    assert answer.status_code == 207
    assert answer.json() == {
        "results": [
            {"uuid": NO_TASKFORCE, "status": "failed", "error": "no taskforce found with uuid"},
            {"uuid": uuid, "status": "updated"},
        ]
    }
    assert world.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}


@pytest.mark.parametrize(
    "body",
    [
        {"compound_statuses_by_taskforce": {}},
        {"top_task_errors_by_taskforce": {}},
        {"compound_statuses_by_taskforce": {NO_TASKFORCE: {"IDLE": {"null": "many"}}}},
        {"top_task_errors_by_taskforce": {NO_TASKFORCE: {"E": "many"}}},
        {"foo": {}},
    ],
)
def test_empty_or_wrong_statuses_are_refused(world: World, body: Any) -> None:
    answer = world.tms.post(STATUSES, body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_statuses_are_taken_while_a_taskforce_is_being_removed(world: World) -> None:
    taskforce = world.submitted()
    uuid = taskforce["taskforce_uuid"]
    for step in ("abort", "condor-rm"):
        if step == "abort":
            ok(world.user.post(f"/workflows/{taskforce['workflow_id']}/actions/abort"))
        else:
            confirm(world, "condor-rm", uuid)
        statuses = {"REMOVED": {step: 1}}
        ok(world.tms.post(STATUSES, {"compound_statuses_by_taskforce": {uuid: statuses}}))
        assert world.taskforce(uuid)["compound_statuses"] == statuses


def test_statuses_with_every_taskforces_tracebacks_at_full_length_are_taken(world: World) -> None:
    uuid = world.submitted()["taskforce_uuid"]
    errors = {f"{n}: " + "Traceback (most recent call last) " * 6000: n for n in range(10)}
    taken = ok(world.tms.post("/tms/statuses/taskforces", {"top_task_errors_by_taskforce": {uuid: errors}}))
    assert taken["results"] == [{"uuid": uuid, "status": "updated"}]
    found = world.taskforce(uuid)["top_task_errors"]
    assert sorted(found.values()) == list(range(10))
    assert all(len(text) <= 1024 for text in found)
    answer = world.user.post("/workflows", request(task_args="x" * 1_100_000))
    assert answer.status_code == 413, "other bodies stay small"
