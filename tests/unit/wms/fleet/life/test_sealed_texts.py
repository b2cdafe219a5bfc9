"""Texts with secrets: masks wherever the workflow is stored or shown, and the secrets in the order that leaves."""

import json
from typing import Any

import pytest

from runtime.kernel.outbox import EffectKind, OutboxRow, make_row
from schemas.errors import Broken, Rejected
from schemas.events import TaskforceStart
from schemas.wire import event_from_bytes
from tests.unit.wms.fleets import NOW, activated, after, decide, first, made, task_request
from wms.encryption import SecretKeys, make_key
from wms.engine.life.variables import MASK, fill_values
from wms.fleet import repository
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.sealed_texts import hide_texts, seal_texts
from wms.fleet.life.stimuli import Launch, Woken
from wms.fleet.order_carrier import open_order

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


def order_start(keys: SecretKeys = KEYS) -> tuple[str, OutboxRow]:
    """Return what the database gets of a workflow with secrets, and the order to start its first taskforce."""
    fields = {"task_args": "a ${pw}", "task_env": {"PW": "${pw}"}}
    real, shown = fill(task_request(**fields))
    new = hide_texts(made(*real["tasks"]), seal_texts(real, shown, keys.seal))
    state = Aggregate(
        workflow=new.workflow,
        taskforces={taskforce.taskforce_uuid: taskforce for taskforce in new.taskforces},
        tasks={task.task_id: task for task in new.tasks},
    )
    state = after(state, activated(state), Woken())
    (order,) = decide(state, Launch(first(state)), NOW).events
    row = make_row(order, NOW, source="ewms/wms")
    creation = repository.make_creation(new)
    return repr((creation, new, row)), row


def test_nothing_that_is_stored_or_answered_has_the_secret_and_the_order_that_leaves_has_it() -> None:
    stored, row = order_start()
    assert "correct" not in stored
    assert f"a {MASK}" in stored
    assert row.kind is EffectKind.TELL
    sent = event_from_bytes(open_order(row, KEYS)).data
    assert isinstance(sent, TaskforceStart)
    assert (sent.task.task_args, sent.task.task_env) == (f"a {VALUE}", {"PW": VALUE})
    assert sent.task.sealed_texts == ""
    assert sent.task.task_image == "/images/reco"
    before = event_from_bytes(row.body)
    assert event_from_bytes(open_order(row, KEYS)).model_copy(update={"data": before.data}) == before


def test_an_order_that_no_key_fits_does_not_leave() -> None:
    _, row = order_start()
    with pytest.raises(Broken):
        open_order(row, SecretKeys([make_key()]))


def test_other_orders_leave_as_they_are() -> None:
    _, row = order_start()
    for body, key in ((b"{}", "mqs.workflow.requested"), (b"not an event", "tms.x.taskforce.stop")):
        assert open_order(OutboxRow(row.id, EffectKind.TELL, key, body), KEYS) == body
