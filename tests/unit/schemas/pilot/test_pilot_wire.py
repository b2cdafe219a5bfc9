"""What TMS writes into a pilot's variables is what the pilot reads."""

import json
import shlex
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.broker.queue_format import Wire
from schemas.ids import Mqid, TaskforceUuid, TaskId, WorkflowId
from schemas.pilot.pilot_wire import (
    INCOMING,
    OUTGOING,
    PilotJob,
    PilotProgram,
    QueueEndpoint,
    list_variables,
    read_program_secret,
    read_queues,
    write_program_secret,
    write_queues,
    write_variables,
    write_wire,
)
from schemas.pilot.variables import Variables, full_name, read_fields

#: Texts without NUL, and lists' separators. A pilot takes the blanks around a value off, and "None" for an unset one.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).map(str.strip)
TEXTS = TEXTS.filter(lambda text: text != "None")
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
WORDS = st.from_regex(r"[a-z0-9]{1,21}", fullmatch=True)

#: How a pilot reads a variable -> the values that TMS may have for it.
KINDS: dict[object, st.SearchStrategy[Any]] = {
    Variables.read_string: TEXTS,
    Variables.read_arguments: st.lists(TEXTS).map(shlex.join),
    Variables.read_environment: st.dictionaries(NAMES, TEXTS),
    Variables.read_limit_s: st.none() | st.integers(1, 10**8),
    Variables.read_integer: st.none() | st.integers(0, 2**53),
}


def values(kind: type[PilotProgram] | type[PilotJob]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for the fields of `kind`, as TMS has them."""
    by_name = {name: KINDS.get(variable.read, WORDS) for name, variable in list_variables(kind).items()}
    return st.fixed_dictionaries(by_name)


@pytest.mark.parametrize("kind", [PilotProgram, PilotJob])
@given(data=st.data())
def test_a_pilot_reads_what_tms_has_written(kind: type[PilotProgram] | type[PilotJob], data: st.DataObject) -> None:
    said = data.draw(values(kind))
    v = Variables(write_variables(kind, SimpleNamespace(**said)))
    read = read_fields(kind, v)
    assert v.problems == []
    by_name = list_variables(kind)
    for name, value in said.items():
        is_arguments = by_name[name].read is Variables.read_arguments
        assert read[name] == (tuple(shlex.split(value)) if is_arguments else value), name
    assert v.list_unread() == ()


@given(said=values(PilotProgram), data=st.data())
def test_the_hidden_fields_of_a_program_become_the_variables_that_tms_would_write(
    said: dict[str, Any], data: st.DataObject
) -> None:
    hidden = data.draw(st.sets(st.sampled_from(sorted(said))))
    secret = read_program_secret(write_program_secret({name: said[name] for name in hidden}))
    whole = write_variables(PilotProgram, SimpleNamespace(**said))
    names = {full_name(list_variables(PilotProgram)[name].name) for name in hidden}
    assert secret == {name: text for name, text in whole.items() if name in names}


@pytest.mark.parametrize(
    "value", ["", "{", "[]", "3", json.dumps({"EWMS_PILOT_TASK_ARGS": 3}), json.dumps({"EWMS_PILOT_TOKEN_FILE": "x"})]
)
def test_a_secret_with_anything_but_texts_of_a_program_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_program_secret(value)


def test_no_two_fields_share_a_variable() -> None:
    names = [variable.name for kind in (PilotProgram, PilotJob) for variable in list_variables(kind).values()]
    assert len(names) == len(set(names))


@given(mqids=st.lists(WORDS, unique=True), named=st.booleans(), wire=st.sampled_from(Wire))
def test_a_pilot_reads_the_queues_that_tms_has_written(mqids: list[str], named: bool, wire: Wire) -> None:
    aliases = {mqid: f"queue {n}" for n, mqid in enumerate(mqids)} if named else {}
    ids = [Mqid(mqid) for mqid in mqids]
    reach: dict[str, Any] = {"broker_type": "rabbitmq", "broker_address": "user@mq:5672/ewms", "aliases": aliases}
    v = Variables(write_queues(INCOMING, ids, **reach) | write_queues(OUTGOING, ids, **reach) | write_wire(wire))
    assert read_queues(v, INCOMING) == tuple(
        QueueEndpoint(mqid, "user@mq:5672/ewms", alias=aliases.get(mqid, "")) for mqid in ids
    )
    assert {queue.wire for queue in read_queues(v, OUTGOING)} <= {wire}
    assert v.problems == []


def test_the_variables_of_a_job_are_spelt_as_the_contract_spells_them() -> None:
    job = PilotJob(
        workflow_id=WorkflowId("WF-1"),
        task_id=TaskId("TK-1"),
        taskforce_uuid=TaskforceUuid("TF-1"),
        token_file="ewms_pilot_token",
        token_source="/srv/ewms_pilot_token",
        log_directory="",
        worker_runtime_s=7200,
        worker_memory_bytes=None,
    )
    assert write_variables(PilotJob, job) == {
        "EWMS_PILOT_WORKFLOW_ID": "WF-1",
        "EWMS_PILOT_TASK_ID": "TK-1",
        "EWMS_PILOT_TASKFORCE_UUID": "TF-1",
        "EWMS_PILOT_TOKEN_FILE": "ewms_pilot_token",
        "EWMS_PILOT_TOKEN_SOURCE": "/srv/ewms_pilot_token",
        "EWMS_PILOT_LOG_DIRECTORY": "",
        "EWMS_PILOT_MAX_WORKER_RUNTIME": "7200",
    }
