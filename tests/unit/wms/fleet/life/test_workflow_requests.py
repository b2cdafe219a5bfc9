"""What a request makes, and what it must not ask for."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from schemas import ids
from schemas.broker.topology import RESULTS_POLICY_PATTERN
from schemas.checks.refusals import RESERVED_ENVIRONMENT
from schemas.errors import Rejected
from schemas.fleet.phases import Phase
from schemas.rules.limits import MAX_TASKFORCES
from tests.unit.wms.fleets import CLUSTERS, NOW, made, request, task_request
from wms.fleet.choices.pilot_tags import PilotTags
from wms.fleet.id_source import IdSource
from wms.fleet.life.workflow_requests import make_workflow
from wms.fleet.ownership import Owner


def test_a_taskforce_is_made_for_each_cluster_location_an_alias_too() -> None:
    new = made(task_request(cluster_locations=["sub-2", "osg", "chicago"]))
    assert [t.schedd for t in new.taskforces] == ["S1", "S1", "S2"]
    assert new.tasks[0].cluster_locations == ["sub-2", "osg", "chicago"]
    assert {t.phase for t in new.taskforces} == {Phase.PRE_MQ_ACTIVATION}


def test_ids_name_what_they_belong_to_and_cursors_ascend() -> None:
    new = made(task_request(), task_request(task_args="other"))
    assert ids.WORKFLOW_ID.fullmatch(new.workflow.workflow_id)
    for task, taskforce in zip(new.tasks, new.taskforces, strict=True):
        assert ids.TASK_ID.fullmatch(task.task_id)
        assert ids.workflow_of(task.task_id) == new.workflow.workflow_id
        assert taskforce.taskforce_uuid.startswith(f"TF-{task.task_id.removeprefix('TK-')}-")
    assert [t.cursor for t in new.taskforces] == sorted({t.cursor for t in new.taskforces})
    assert all(re.fullmatch(r"[0-9a-f]{24}", thing.cursor) for thing in (new.workflow, *new.tasks, *new.taskforces))


def test_queues_are_the_public_ones_in_use_and_all_private_ones() -> None:
    new = made(
        task_request(input_queue_aliases=["in"], output_queue_aliases=["between", "in"]),
        task_request(input_queue_aliases=["between"], output_queue_aliases=["out"]),
        public_queue_aliases=["in", "out", "nobody"],
    )
    plan = {q.alias: (q.is_public, q.is_input, q.is_output) for q in new.workflow.queues}
    assert plan == {"in": (True, True, True), "between": (False, True, True), "out": (True, False, True)}
    by_alias = {q.alias: q.mqid for q in new.workflow.queues}
    assert new.tasks[0].output_queues == [by_alias["in"], by_alias["between"]], "in the order of reservation"
    assert all(ids.MQID.fullmatch(mqid) for mqid in by_alias.values())
    assert new.event.queues == new.workflow.queues
    marked = {q.alias for q in new.workflow.queues if re.fullmatch(RESULTS_POLICY_PATTERN, q.mqid)}
    assert marked == {"out"}, "what a task takes from, too, needs the limit of deliveries"


@pytest.mark.parametrize(("given", "stored"), [(5, 5), (100, 100), (250, 100), (-3, -3)])
def test_a_users_priority_is_capped_at_100(given: int, stored: int) -> None:
    new = made(priority=given)
    assert new.workflow.priority == stored == new.taskforces[0].priority == new.event.priority


def test_defaults_are_those_of_the_contract() -> None:
    new = made(task_request(n_workers=None))
    taskforce = new.taskforces[0]
    assert new.workflow.priority == 50
    assert taskforce.n_workers is None
    assert taskforce.worker_config.condor_requirements == ""
    assert (new.tasks[0].task_env, new.tasks[0].init_image) == ({}, "")
    assert (taskforce.cluster_id, taskforce.submit_dict, taskforce.job_event_log_fpath) == (None, {}, "")


def test_latest_is_resolved_and_an_image_source_stays_as_asked() -> None:
    new = made(
        task_request(pilot_config={"tag": "latest", "image_source": "auto"}),
        task_request(pilot_config={"tag": "0.9.1"}),
    )
    configs = [t.pilot_config for t in new.taskforces]
    assert [(c.tag, c.image_source) for c in configs] == [("1.2.3", "auto"), ("0.9.1", "cvmfs")]


def test_the_first_log_line_is_the_contracts() -> None:
    (line,) = made().taskforces[0].phase_change_log
    assert line.model_dump() == {
        "target_phase": "pre-mq-activation",
        "timestamp": NOW.timestamp(),
        "was_successful": True,
        "source_event_time": None,
        "source_entity": "USER",
        "context": "Created during initial workflow request.",
    }


def test_mqs_hears_of_every_schedd_and_is_asked_again_if_it_does_not_answer() -> None:
    new = made(task_request(cluster_locations=["chicago", "osg"]))
    assert new.event.schedds == ["S1", "S2"]
    assert new.event.owner == "ada"
    assert new.workflow.wake_at is not None
    assert new.workflow.wake_at > NOW


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"cluster_locations": ["osg", "mars"]},
            "'tasks.1.cluster_locations': condor cluster location not found: mars",
        ),
        (
            {"pilot_config": {"environment": {"EWMS_PILOT_TASK_ARGS": "x"}}},
            (
                "tasks[1].pilot_config.environment cannot include the attribute 'EWMS_PILOT_TASK_ARGS'. "
                "Use the top-level equivalent attribute instead."
            ),
        ),
        (
            {"input_queue_aliases": [], "output_queue_aliases": []},
            "'tasks.1': needs an alias in 'input_queue_aliases' or in 'output_queue_aliases'",
        ),
        ({"task_image": "/"}, "'tasks.1.task_image': is /, the worker's own file system"),
        ({"init_image": "/proc/1/root"}, "'tasks.1.init_image': lies in one of /proc"),
        ({"task_image": "../image"}, "'tasks.1.task_image': has '..'"),
        (
            {"pilot_config": {"environment": {"EWMS_PILOT_EXTERNAL_DIRECTORIES": "/data,/"}}},
            "'tasks.1.pilot_config.environment.EWMS_PILOT_EXTERNAL_DIRECTORIES': is /",
        ),
        (
            {"pilot_config": {"environment": {"EWMS_PILOT_EXTERNAL_DIRECTORIES": ["/data", "data"]}}},
            "'tasks.1.pilot_config.environment.EWMS_PILOT_EXTERNAL_DIRECTORIES': is not an absolute path",
        ),
    ],
)
def test_what_must_not_be_asked_for_is_refused_by_name(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=re.escape(reason)):
        made(task_request(), task_request(**fields))


def test_names_that_some_pool_may_take_are_taken() -> None:
    environment = {"EWMS_PILOT_EXTERNAL_DIRECTORIES": ["/cvmfs/a", "/data"]}
    made(task_request(task_image="/cvmfs/reco", init_image="docker://x", pilot_config={"environment": environment}))
    bare = {"_EWMS_PILOT_CONTAINER_PLATFORM": "none"}
    made(task_request(task_image="/", pilot_config={"environment": bare}))


@pytest.mark.parametrize("name", RESERVED_ENVIRONMENT)
def test_every_reserved_variable_is_refused(name: str) -> None:
    with pytest.raises(Rejected, match=name):
        made(task_request(pilot_config={"environment": {name: "x"}}))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Rejected) as caught:
        made(task_request(cluster_locations=["mars"]), task_request(cluster_locations=["venus"], task_args="2"))
    assert caught.value.reason.count("not found") == 2


def test_a_workflow_has_a_bounded_number_of_taskforces() -> None:
    tasks = [task_request(task_args=str(n), cluster_locations=["osg", "chicago"]) for n in range(MAX_TASKFORCES // 2)]
    assert len(made(*tasks).taskforces) == MAX_TASKFORCES
    with pytest.raises(Rejected, match="'tasks': must have at most 1000"):
        made(*tasks, task_request(task_args="one more"))


def test_what_would_not_fit_into_what_comes_behind_the_request_is_refused_in_bytes() -> None:
    many = [[f"q{task}-{n}" for n in range(100)] for task in range(50)]
    whole = [
        task_request(task_args=str(n), input_queue_aliases=names, output_queue_aliases=[])
        for n, names in enumerate(many)
    ]
    heavy = {"environment": {"EWMS_PILOT_OKAY_ERRORS": "x" * 100_000}}
    too_much = [
        (made_of(task_request(task_env={"A": "é" * 70_000})), r"'tasks.0.task_env.A': must have at most 131000 bytes"),
        (
            made_of(task_request(init_image="i", init_args="é" * 65_536)),
            r"'tasks.0.init_args': must have at most 131000 bytes",
        ),
        (made_of(task_request(input_queue_aliases=["é" * 200])), r"input_queue_aliases': .* 256 bytes in each alias"),
        (made_of(*whole), r"'tasks': must have at most 4999 queues in all, and has 5000; make several workflows"),
        (
            made_of(*(task_request(task_args=str(n), pilot_config=heavy) for n in range(90))),
            r"'tasks': must have at most 8388608 bytes of 'worker_config' and 'pilot_config'",
        ),
    ]
    for make, rule in too_much:
        with pytest.raises(Rejected, match=rule):
            make()


def made_of(*tasks: Any) -> Callable[[], Any]:
    return lambda: made(*tasks)


def test_the_same_seed_makes_the_same_names_and_another_seed_makes_others() -> None:
    assert made(seed=b"a").workflow.workflow_id == made(seed=b"a").workflow.workflow_id
    assert made(seed=b"a").workflow.workflow_id != made(seed=b"b").workflow.workflow_id
    one = make_workflow(
        request(),
        owner=Owner("a"),
        locations=CLUSTERS,
        tags=PilotTags(latest="1.0.0"),
        mint=IdSource(b"\0" * 32, NOW),
        now=NOW,
    )
    assert len({q.mqid for q in one.workflow.queues}) == 2
