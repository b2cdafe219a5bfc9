"""The workflow that runs tasks of a job: a chain of queues, one container for each host, nothing twice."""

from pilot.settings import read_settings
from schemas.api.workflows.requests import WorkflowRequest
from schemas.automation.catalogue import FanOut, TaskResources
from schemas.automation.jobs import PinnedTask
from schemas.automation.stored_secrets import SecretFile
from schemas.fleet.objects import PilotConfig
from schemas.ids import CatalogueTaskId, WorkflowId
from tests.unit.tms.orders import GRANT, order
from tests.unit.wms.jobs.making import make_pinned_task
from tms.jobs.pilot_files import PilotProfile, pilot_environment
from wms.jobs.plans.fleet_requests import (
    choose_secrets,
    make_fleet_request,
    make_unit_id,
    name_runner,
    needs_at_most_once,
)

OPTION = "EWMS_PILOT_"


def make_file(name: str, *tasks: int) -> SecretFile:
    """Return a secret for these tasks of a job; without any, for all."""
    return SecretFile(name=name, file=name, tasks=tuple(map(CatalogueTaskId, tasks)) or None)


def request(*tasks: PinnedTask, n_hosts: int = 20, max_workers: int = 8) -> WorkflowRequest:
    """Return the request for these tasks."""
    return make_fleet_request(tasks, n_hosts=n_hosts, max_workers=max_workers)


def test_c9_c22_c25_a_task_runs_its_image_with_its_command_and_gets_the_payload_as_an_argument() -> None:
    (task,) = request(make_pinned_task(command=("python", "a b.py", "--x='1'"))).tasks
    assert task.task_image == "/images/1"
    assert task.task_args == """python 'a b.py' '--x='"'"'1'"'"''"""
    options = task.pilot_config.environment
    assert options[f"{OPTION}PAYLOAD_ARGUMENT"] == "True"
    assert (task.input_queue_aliases, task.output_queue_aliases) == (["hosts"], ["outcomes", "logs"])


def test_c11_the_tasks_of_a_free_job_are_joined_by_queues_that_get_the_hosts_that_ended_well() -> None:
    found = request(make_pinned_task("a"), make_pinned_task("b"), make_pinned_task("c"))
    assert [(task.input_queue_aliases, task.output_queue_aliases) for task in found.tasks] == [
        (["hosts"], ["hosts-2", "outcomes", "logs"]),
        (["hosts-2"], ["hosts-3", "outcomes", "logs"]),
        (["hosts-3"], ["outcomes", "logs"]),
    ]
    forwards = [f"{OPTION}FORWARD_EVENTS" in task.pilot_config.environment for task in found.tasks]
    assert forwards == [True, True, False]
    # WMS itself uses the ends; the queues between tasks are for pilots alone.
    assert found.public_queue_aliases == ["hosts", "outcomes", "logs"]


def test_one_task_that_must_not_run_twice_makes_the_whole_chain_careful() -> None:
    safe, careful = make_pinned_task(idempotent=True), make_pinned_task()
    assert [needs_at_most_once(tasks) for tasks in ([safe], [careful], [safe, careful])] == [False, True, True]
    for tasks, once in (((safe, safe), False), ((safe, careful), True)):
        found = request(*tasks).tasks
        assert {f"{OPTION}AT_MOST_ONCE" in task.pilot_config.environment for task in found} == {once}


def test_workers_that_only_wait_for_an_earlier_task_of_a_chain_leave_their_slots_soon() -> None:
    def read_waits(*tasks: PinnedTask) -> set[object]:
        waits = ("TIMEOUT_QUEUE_INCOMING", "TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE")
        return {task.pilot_config.environment[OPTION + name] for task in request(*tasks).tasks for name in waits}

    assert read_waits(make_pinned_task()) == {3600}
    assert read_waits(make_pinned_task("a"), make_pinned_task("b")) == {60}


def test_a_worker_that_starts_no_container_is_judged_as_in_other_workflows() -> None:
    (task,) = request(make_pinned_task()).tasks
    environment = pilot_environment(
        order(pilot_config=task.pilot_config),
        GRANT,
        PilotProfile(allowed_platforms=frozenset()),
        token_source="/t",
    )
    judged = ("STOP_LISTENING_ON_TASK_ERROR", "MAX_FAILURES_IN_A_ROW", "QUARANTINE_TIME")
    assert [environment[OPTION + name] for name in judged] == ["False", "3", "300"]


def test_a_pilot_must_know_all_options_of_a_job_and_a_tms_sets_no_unknown_one() -> None:
    (task,) = request(make_pinned_task()).tasks
    strict = f"{OPTION}REFUSE_UNKNOWN"
    assert task.pilot_config.environment[strict] == "True"
    wanted = order(pilot_config=PilotConfig(environment={strict: "True"}))
    environment = pilot_environment(wanted, GRANT, PilotProfile(allowed_platforms=frozenset()), token_source="/t")
    assert read_settings(environment, directory="/job").unknown == ()


def test_each_location_gets_its_own_image_and_all_take_from_one_queue() -> None:
    found = request(make_pinned_task(images={"a": "/x", "b": "/x", "c": "/y"})).tasks
    assert [(task.task_image, task.cluster_locations) for task in found] == [("/x", ["a", "b"]), ("/y", ["c"])]
    assert {tuple(task.input_queue_aliases) for task in found} == {("hosts",)}


def test_workers_are_as_many_as_hosts_up_to_the_limit_and_live_long_enough_for_all() -> None:
    resources = TaskResources(max_runtime_s=600, n_cores=2, memory_bytes=2**30)
    (few,) = request(make_pinned_task(resources=resources), n_hosts=3).tasks
    (many,) = request(make_pinned_task(resources=resources), n_hosts=20).tasks
    assert (few.n_workers, many.n_workers) == (3, 8)
    assert many.worker_config.max_worker_runtime >= 3 * 600
    assert (many.worker_config.n_cores, many.worker_config.worker_memory) == (2, 2**30)
    (whole,) = request(make_pinned_task(fan_out=FanOut.INVENTORY)).tasks
    assert whole.n_workers == 1


def test_an_event_has_the_same_id_each_time_and_another_one_in_each_workflow() -> None:
    one, other = WorkflowId("WF-1-00000001"), WorkflowId("WF-2-00000002")
    ids = [make_unit_id(workflow, place) for workflow in (one, other) for place in (None, 0, 1)]
    assert len(set(ids)) == 6
    assert make_unit_id(one, 1) == ids[2]
    assert name_runner("ada") == "ewms-jobs/ada"


def test_c33_each_task_names_the_files_of_the_jobs_secrets_and_without_secrets_none() -> None:
    tasks = [make_pinned_task("drain"), make_pinned_task("patch")]
    given = make_fleet_request(tasks, n_hosts=2, max_workers=5, secrets=[make_file("password"), make_file("api-key")])
    named = [task.pilot_config.environment.get("EWMS_PILOT_SECRETS") for task in given.tasks]
    assert named == ["password,api-key"] * 2
    without = make_fleet_request(tasks, n_hosts=2, max_workers=5)
    assert "EWMS_PILOT_SECRETS" not in str(without)


def test_c33_a_task_of_a_chain_names_the_files_of_its_own_secrets_only() -> None:
    drain, patch, check = (make_pinned_task(name, task=number) for number, name in enumerate("abc", 1))
    secrets = [make_file("for-all"), make_file("of-patch", 2), make_file("of-both", 1, 2)]
    given = make_fleet_request([drain, patch, check], n_hosts=2, max_workers=5, secrets=secrets)
    named = [task.pilot_config.environment.get("EWMS_PILOT_SECRETS") for task in given.tasks]
    assert named == ["for-all,of-both", "for-all,of-patch,of-both", "for-all"]
    # What the workflow of one node may have: without a secret for it, nothing.
    assert choose_secrets(secrets, [drain, check]) == (secrets[0], secrets[2])
    assert choose_secrets(secrets[1:], [check]) == ()
    (alone,) = make_fleet_request([check], n_hosts=2, max_workers=5, secrets=secrets[1:]).tasks
    assert "EWMS_PILOT_SECRETS" not in alone.pilot_config.environment
