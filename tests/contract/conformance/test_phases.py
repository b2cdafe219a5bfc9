"""Contract 4, 4.1 and 4.2: every move of a taskforce with its line in the log, deactivation, and more workers."""

import time
from typing import Any

import pytest

from tests.contract.conformance import shapes
from tests.contract.conformance import world as world_of_tms
from tests.contract.conformance.shapes import is_exactly
from tests.contract.conformance.test_tms_routes import SCHEDD, STARTER, STOPPER, confirm
from tests.contract.conformance.world import ALPHA, BETA, SCHEDD_OF, World, log, ok, refused

CREATED = ("pre-mq-activation", True, "USER", "Created during initial workflow request.")
ACTIVATED = ("pre-launch", True, "Workflow MQ Activator", "")
LAUNCHED = ("pending-starter", True, "Taskforce Launch Control", "")
SUBMITTED = ("condor-submit", True, "TMS", "")
STOPPED = {
    "abort": ("pending-stopper", True, "User", "User deactivated (ABORTED) workflow"),
    "finished": ("pending-stopper", True, "User", "User deactivated (FINISHED) workflow"),
}
REMOVED = ("condor-rm", True, "TMS", "")
COMPLETED = ("condor-complete", True, "TMS", "")
ACTIONS = ["abort", "finished"]


def deactivate(world: World, taskforce: dict[str, Any], action: str) -> int:
    n_taskforces: int = ok(world.user.post(f"/workflows/{taskforce['workflow_id']}/actions/{action}"))["n_taskforces"]
    return n_taskforces


def complete(world: World, taskforce: dict[str, Any]) -> None:
    confirm(world, "condor-complete", taskforce["taskforce_uuid"], {"condor_complete_ts": int(time.time())})


@pytest.mark.parametrize("action", ACTIONS)
def test_the_whole_way_is_told_line_by_line(world: World, action: str) -> None:
    taskforce = world.submitted()
    assert deactivate(world, taskforce, action) == 1
    confirm(world, "condor-rm", taskforce["taskforce_uuid"])
    complete(world, taskforce)
    found = world.taskforce(taskforce["taskforce_uuid"])
    assert log(found) == [CREATED, ACTIVATED, LAUNCHED, SUBMITTED, STOPPED[action], REMOVED, COMPLETED]
    times = [line["timestamp"] for line in found["phase_change_log"]]
    assert times == sorted(times)
    # Only a completion is the word of an event somewhere else.
    assert [line["source_event_time"] is None for line in found["phase_change_log"]] == [True] * 6 + [False]


@pytest.mark.parametrize("action", ACTIONS)
def test_before_condor_everything_stops_for_good_and_no_tms_is_asked(world: World, action: str) -> None:
    taskforce = world.started()
    assert deactivate(world, taskforce, action) == 1
    for path in (STARTER, STOPPER):
        assert ok(world.tms.get(path, schedd=SCHEDD)) == {}
    found = world.taskforce(taskforce["taskforce_uuid"])
    assert found["phase"] == "pending-stopper"
    assert log(found) == [CREATED, ACTIVATED, LAUNCHED, STOPPED[action]]


def test_aborted_at_once_it_never_comes_back_to_life(world: World) -> None:
    # The queues are being activated at this moment: their answer comes after the abort.
    made = [world.submit() for _ in range(5)]
    for one in made:
        assert ok(world.user.post(f"/workflows/{one['workflow']['workflow_id']}/actions/abort"))["n_taskforces"] == 1
    time.sleep(0.3)  # nothing may happen, and that has no event
    for one in made:
        found = world.taskforce(one["taskforces"][0]["taskforce_uuid"])
        assert found["phase"] == "pending-stopper"
        assert log(found)[-1] == STOPPED["abort"]


@pytest.mark.parametrize("action", ACTIONS)
def test_during_condor_it_may_complete_without_having_been_removed(world: World, action: str) -> None:
    taskforce = world.submitted()
    assert deactivate(world, taskforce, action) == 1
    complete(world, taskforce)
    found = world.taskforce(taskforce["taskforce_uuid"])
    assert found["phase"] == "condor-complete"
    assert log(found)[-2:] == [STOPPED[action], COMPLETED]
    assert ok(world.tms.get(STOPPER, schedd=SCHEDD)) == {}


@pytest.mark.parametrize("action", ACTIONS)
def test_after_condor_the_phase_stays_and_the_log_says_that_it_was_late(world: World, action: str) -> None:
    taskforce = world.submitted()
    complete(world, taskforce)
    assert deactivate(world, taskforce, action) == 0
    found = world.taskforce(taskforce["taskforce_uuid"])
    assert found["phase"] == "condor-complete"
    label = {"abort": "ABORTED", "finished": "FINISHED"}[action]
    context = f"User deactivated ({label}) workflow but taskforce is already ending/finished (condor-complete)"
    assert log(found)[-1] == ("pending-stopper", False, "User", context)


@pytest.mark.parametrize("first", ACTIONS)
@pytest.mark.parametrize("second", ACTIONS)
def test_a_second_deactivation_of_any_kind_finds_nothing_and_changes_nothing(
    world: World, first: str, second: str
) -> None:
    taskforce = world.started()
    workflow_id = taskforce["workflow_id"]
    deactivate(world, taskforce, first)
    before = ok(world.user.get(f"/workflows/{workflow_id}")), world.taskforce(taskforce["taskforce_uuid"])
    refused(
        world.user.post(f"/workflows/{workflow_id}/actions/{second}"),
        404,
        f"no non-deactivated workflow found with workflow_id='{workflow_id}'",
    )
    assert (ok(world.user.get(f"/workflows/{workflow_id}")), world.taskforce(taskforce["taskforce_uuid"])) == before


def test_only_what_still_runs_is_counted(world: World) -> None:
    made = world.submit(cluster_locations=[ALPHA, BETA])
    at_alpha, at_beta = made["taskforces"]
    world.in_phase(at_alpha["taskforce_uuid"], "pending-starter")
    confirm(world, "condor-submit", at_alpha["taskforce_uuid"], world_of_tms.SUBMITTED)
    complete(world, at_alpha)
    assert deactivate(world, at_beta, "abort") == 1


def test_a_removal_without_a_wish_is_believed(world: World) -> None:
    taskforce = world.submitted()
    confirm(world, "condor-rm", taskforce["taskforce_uuid"])
    assert world.taskforce(taskforce["taskforce_uuid"])["phase"] == "condor-rm"


def test_a_cluster_that_completes_by_itself_is_complete(world: World) -> None:
    taskforce = world.submitted()
    complete(world, taskforce)
    assert log(world.taskforce(taskforce["taskforce_uuid"]))[-2:] == [SUBMITTED, COMPLETED]


# ---- 4.2


def add(world: World, task_id: str, role: str = "user", **body: Any) -> dict[str, Any]:
    caller = world.user if role == "user" else world.caller(role)
    wish = {"cluster_location": ALPHA, "n_workers": 17, **body}
    added: dict[str, Any] = ok(caller.post(f"/task-directives/{task_id}/actions/add-workers", wish))
    return added


@pytest.mark.parametrize("role", ["user", "system-tms"])
def test_added_workers_are_a_copy_with_a_higher_priority_and_go_the_same_way(world: World, role: str) -> None:
    sibling = world.started()
    added = add(world, sibling["task_id"], role)
    is_exactly(added, shapes.TASKFORCE)
    for name in ("workflow_id", "task_id", "worker_config", "pilot_config", "collector"):
        assert added[name] == sibling[name], name
    assert added["taskforce_uuid"] != sibling["taskforce_uuid"]
    assert added["timestamp"] > sibling["timestamp"]
    assert added["priority"] == sibling["priority"] + 100
    assert added["n_workers"] == 17
    assert added["phase"] == "pre-mq-activation"
    who = {"user": "USER", "system-tms": "TMS"}[role]
    created = ("pre-mq-activation", True, who, "Created when adding more workers for this task directive.")
    assert log(added) == [created]
    found = world.in_phase(added["taskforce_uuid"], "pending-starter")
    auto = "Auto-advanced because workflow has already been mq-activated."
    assert log(found) == [created, ("pre-launch", True, "Workflow MQ Activator", auto), LAUNCHED]
    # The same object as answered, but for what has moved.
    moving = {"phase": None, "phase_change_log": None}
    assert found | moving == added | moving


def test_added_workers_come_before_any_tms_has_looked_and_do_not_climb(world: World) -> None:
    made = world.submit()
    task_id = made["task_directives"][0]["task_id"]
    added = [add(world, task_id) for _ in range(3)]
    assert [taskforce["priority"] for taskforce in added] == [160] * 3
    for taskforce in added:
        world.in_phase(taskforce["taskforce_uuid"], "pending-starter")


def test_workers_can_be_added_at_any_known_location(world: World) -> None:
    task_id = world.submit(cluster_locations=[ALPHA])["task_directives"][0]["task_id"]
    added = add(world, task_id, cluster_location=BETA, n_workers=None)
    assert (added["schedd"], added["n_workers"]) == (SCHEDD_OF[BETA], None)
    found = world.in_phase(added["taskforce_uuid"], "pending-starter")
    told = ok(world.tms.get(STARTER, schedd=SCHEDD_OF[BETA]))
    assert told["taskforce"]["taskforce_uuid"] == found["taskforce_uuid"]
    assert all(profile["auth_token"] for profile in told["mqprofiles"])


def test_a_deactivated_workflow_takes_no_more_workers(world: World) -> None:
    taskforce = world.started()
    workflow_id = taskforce["workflow_id"]
    deactivate(world, taskforce, "finished")
    refused(
        world.user.post(
            f"/task-directives/{taskforce['task_id']}/actions/add-workers", {"cluster_location": ALPHA, "n_workers": 1}
        ),
        422,
        f"cannot add a taskforce to a deactivated workflow ({workflow_id})",
    )
    found = ok(world.user.post("/query/taskforces", {"query": {"workflow_id": workflow_id}}))["taskforces"]
    assert [t["taskforce_uuid"] for t in found] == [taskforce["taskforce_uuid"]]


def test_a_removal_that_is_confirmed_of_what_waits_for_its_start_is_taken_and_changes_nothing(world: World) -> None:
    # Row 6 takes it from any phase. What never had a cluster has none to remove: it must still be started, or nobody
    # would ever say that it is over.
    before = world.started()
    uuid = before["taskforce_uuid"]
    for _ in range(2):
        confirm(world, "condor-rm", uuid)
        assert world.taskforce(uuid) == before
    assert ok(world.tms.get(STARTER, schedd=SCHEDD))["taskforce"] == before
    confirm(world, "condor-submit", uuid, dict(world_of_tms.SUBMITTED))
    assert log(world.taskforce(uuid))[-1] == SUBMITTED
    assert deactivate(world, before, "abort") == 1
    confirm(world, "condor-rm", uuid)
    assert log(world.taskforce(uuid))[-1] == REMOVED
