"""Texts with secrets: masks wherever a workflow is stored, shown or sent, and a name by which its TMS asks for them."""

import json
from typing import Any

import pytest

from runtime.kernel.outbox import make_row
from schemas.errors import Rejected
from schemas.events import TaskforceStart
from schemas.fleet.phases import Deactivated
from schemas.rules.secret_names import MASK, PROGRAM_SECRET
from tests.unit.wms.fleets import (
    CLUSTERS,
    NOW,
    POLICY,
    POLLING,
    activated,
    after,
    aggregate,
    decide,
    first,
    made,
    submitted,
    task_request,
)
from wms.encryption import SecretKeys, make_key
from wms.engine.life.variables import fill_values
from wms.fleet import repository
from wms.fleet.choices.locations import Location, LocationMap, ServedBy
from wms.fleet.choices.policy import FleetPolicy
from wms.fleet.id_source import IdSource
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.conditions import is_offered_start
from wms.fleet.life.sealed_texts import hide_texts, refuse_polling_locations, refuse_secret_events, seal_texts
from wms.fleet.life.stimuli import AddWorkers, Deactivate, Launch, Woken
from wms.fleet.life.tms_reports import HIDDEN
from wms.fleet.life.workflow_requests import NewWorkflow

VALUE = "correct ${horse} $encrypted$"
KEYS = SecretKeys([make_key()])


def fill(*tasks: dict[str, Any], value: Any = VALUE, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a request with the secret `pw` in it, and the same with the mask."""
    request = {"public_queue_aliases": ["in", "out"], "tasks": list(tasks), **fields}
    real, shown = (fill_values(request, {"plain": "1", "pw": each}) for each in (value, MASK))
    return real, shown


def seal_as_json(value: Any) -> str:
    """Return `value` as it would be sealed, without a key."""
    return json.dumps(value)


@pytest.mark.parametrize(
    ("fields", "shown", "texts"),
    [
        ({"task_args": "a ${pw}"}, {"task_args": f"a {MASK}"}, {"task_args": f"a {VALUE}"}),
        (
            {"task_env": {"PW": "${pw}", "N": "${plain}"}, "init_args": "x${pw}y${pw}"},
            {"task_env": {"PW": MASK, "N": "1"}, "init_args": f"x{MASK}y{MASK}"},
            {"task_env": {"PW": VALUE, "N": "1"}, "init_args": f"x{VALUE}y{VALUE}"},
        ),
        (
            {"init_env": {"A": "${pw}", "B": "${pw}"}},
            {"init_env": dict.fromkeys("AB", MASK)},
            {"init_env": dict.fromkeys("AB", VALUE)},
        ),
    ],
)
def test_the_fields_with_secrets_are_sealed_and_shown_with_masks(
    fields: dict[str, Any], shown: dict[str, Any], texts: dict[str, Any]
) -> None:
    sealed = seal_texts(*fill(task_request(), task_request(**fields)), seal_as_json)
    assert list(sealed) == [1]
    assert (sealed[1].shown, json.loads(sealed[1].sealed)) == (shown, texts)


def test_a_request_without_secrets_has_nothing_to_seal() -> None:
    assert seal_texts(*fill(task_request(task_args="${plain} ${unknown}")), seal_as_json) == {}


@pytest.mark.parametrize(
    ("task", "fields", "place"),
    [
        ({"task_image": "/images/${pw}"}, {}, "tasks.0.task_image"),
        ({"n_workers": "${pw}"}, {}, "tasks.0.n_workers"),
        ({"input_queue_aliases": ["in", "${pw}"]}, {}, "tasks.0.input_queue_aliases.1"),
        ({"pilot_config": {"environment": {"X": "${pw}"}}}, {}, "tasks.0.pilot_config.environment.X"),
        ({}, {"public_queue_aliases": ["${pw}"]}, "public_queue_aliases.0"),
    ],
)
def test_a_secret_where_it_cannot_be_kept_encrypted_is_refused_by_its_place(
    task: dict[str, Any], fields: dict[str, Any], place: str
) -> None:
    with pytest.raises(Rejected) as refused:
        seal_texts(*fill(task_request(**task), **fields), seal_as_json)
    assert refused.value.reason == f"{place!r} has a secret, which cannot be kept encrypted there"
    assert refused.value.hint == "a request may have secrets in task_args, task_env, init_args, init_env of its tasks"


def build_aggregate(keys: SecretKeys = KEYS, **more: Any) -> tuple[NewWorkflow, Aggregate]:
    """Return a new workflow of one task with secrets, and its aggregate with active queues."""
    real, shown = fill(task_request(task_args="a ${pw}", task_env={"PW": "${pw}"}, **more))
    new = hide_texts(made(*real["tasks"]), seal_texts(real, shown, keys.seal))
    state = Aggregate(
        workflow=new.workflow,
        taskforces={taskforce.taskforce_uuid: taskforce for taskforce in new.taskforces},
        tasks={task.task_id: task for task in new.tasks},
    )
    return new, after(state, activated(state), Woken())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, [PROGRAM_SECRET]),
        ({"EWMS_PILOT_SECRETS": "db-password"}, ["db-password", PROGRAM_SECRET]),
        ({"EWMS_PILOT_SECRETS": ["a", "b"]}, ["a", "b", PROGRAM_SECRET]),
    ],
)
def test_nothing_that_is_stored_answered_or_sent_has_the_secret_and_the_order_names_it(
    given: dict[str, Any], named: list[str]
) -> None:
    new, state = build_aggregate(pilot_config={"environment": given})
    (order,) = decide(state, Launch(first(state)), NOW).events
    row = make_row(order, NOW, source="ewms/wms")
    everything = repr((repository.make_creation(new), new, row))
    assert "correct" not in everything
    assert f"a {MASK}" in everything
    assert isinstance(order, TaskforceStart)
    assert (order.task.task_args, order.task.task_env, order.task.sealed_texts) == (f"a {MASK}", {"PW": MASK}, "")
    assert order.pilot_config.environment["EWMS_PILOT_SECRETS"] == named
    (task,) = new.tasks
    assert KEYS.unseal(task.sealed_texts) == {"task_args": f"a {VALUE}", "task_env": {"PW": VALUE}}


def test_an_order_without_secrets_names_none() -> None:
    state = aggregate(task_request())
    state = after(state, activated(state), Woken())
    (order,) = decide(state, Launch(first(state)), NOW).events
    assert isinstance(order, TaskforceStart)
    assert order.pilot_config.environment == {}


def test_fields_with_secrets_that_are_too_large_for_a_worker_are_refused() -> None:
    many = {f"N{n}": "x" * 100_000 for n in range(6)}
    with pytest.raises(Rejected, match=r"'tasks\.1': its fields with secrets have 6\d{5} bytes as JSON, and may have"):
        seal_texts(*fill(task_request(), task_request(task_env={"PW": "${pw}", **many})), seal_as_json)


@pytest.mark.parametrize(
    ("events", "place"),
    [
        (["plain ${plain}", {"a": ["${pw}"]}], "events.1.a.0"),
        (["x${pw}"], "events.0"),
        (["${plain} ${unknown}", 3, None], None),
        ([], None),
    ],
)
def test_a_secret_in_an_event_is_refused_by_its_place(events: list[Any], place: str | None) -> None:
    real, shown = (fill_values(events, {"plain": "1", "pw": each}) for each in (VALUE, MASK))
    if place is None:
        refuse_secret_events(real, shown)
        return
    with pytest.raises(Rejected) as refused:
        refuse_secret_events(tuple(real), tuple(shown))
    assert refused.value.reason == f"{place!r} has a secret, and whoever reads the queue would see it"
    assert refused.value.hint == "give it to the task: task_args, task_env, init_args, init_env"
    assert "correct" not in repr(refused.value)


def test_a_task_with_secrets_is_refused_where_the_tms_polls() -> None:
    new, _ = build_aggregate(cluster_locations=["osg", "chicago"])
    refuse_polling_locations(new, CLUSTERS)
    polled = LocationMap({"osg": Location(schedd="S1"), "chicago": Location(schedd="S2", served_by=ServedBy.REST)})
    with pytest.raises(Rejected, match=r"'tasks\.0\.cluster_locations': names chicago, whose TMS polls over REST"):
        refuse_polling_locations(new, polled)
    refuse_polling_locations(made(task_request(cluster_locations=["chicago"])), polled)


def test_a_tms_that_polls_gets_no_workers_of_such_a_task_and_is_not_offered_those_that_wait() -> None:
    new, state = build_aggregate()
    waiting = after(state, Launch(first(state)), policy=POLLING)
    taskforce = waiting.taskforces[first(state)]
    assert taskforce.stuck == "its task has passwords, which a TMS that polls over REST cannot get"
    assert not is_offered_start(taskforce, POLLING.max_failures)
    more = AddWorkers(
        task=new.tasks[0],
        location=POLLING.locations.find_location("S1"),
        n_workers=1,
        by="USER",
        mint=IdSource(b"more", NOW),
    )
    with pytest.raises(Rejected, match="its task has passwords"):
        decide(state, more, NOW, POLLING)
    plain = aggregate(task_request())
    assert (
        after(plain, activated(plain), Woken(), Launch(first(plain)), policy=POLLING).taskforces[first(plain)].stuck
        == ""
    )


@pytest.mark.parametrize(("policy", "shown"), [(POLLING, HIDDEN), (POLICY, "pilot")])
def test_what_a_polling_tms_reports_of_such_a_task_has_masks(policy: FleetPolicy, shown: str) -> None:
    _, state = build_aggregate()
    uuid = first(state)
    # An older WMS has offered it.
    state = after(state, Launch(uuid))
    report = submitted(state, uuid).model_copy(update={"submit_dict": {"executable": "pilot", "max_idle": 3}})
    recorded = after(state, report, policy=policy).taskforces[uuid]
    assert recorded.submit_dict == {"executable": shown, "max_idle": 3}
    plain = aggregate(task_request())
    plain = after(plain, activated(plain), Launch(first(plain)), submitted(plain, first(plain)), policy=POLLING)
    assert plain.taskforces[first(plain)].submit_dict == {"executable": "pilot"}


def test_a_late_report_of_a_polling_tms_has_masks_too() -> None:
    _, state = build_aggregate()
    uuid = first(state)
    state = after(state, Launch(uuid))
    late = after(state, Deactivate(Deactivated.ABORTED), submitted(state, uuid), policy=POLLING).taskforces[uuid]
    assert (late.cluster_id, late.submit_dict) == (7, {"executable": HIDDEN})
