"""The limits of a request, and what they have to fit into."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.events import WorkflowRequested, build_event
from schemas.fleet.documents import QueuePlan
from schemas.ids import Alias, EventId, Mqid, WorkflowId
from schemas.rules import limits
from schemas.rules.limits import MAX_PROGRAM_BYTES, MAX_STRING_BYTES, STRING_OVERHEAD_BYTES, find_program_problems
from schemas.wire import event_to_bytes

DOCUMENT = Path(__file__).parents[4] / "docs" / "limits.md"


def largest_program() -> tuple[str, dict[str, str]]:
    """Return arguments and an environment that are as large as they may be, in each variable and together."""
    environment = {f"V{n}": "x" * (MAX_STRING_BYTES - 2) for n in range(6)}
    script = "sh -c 'echo ${#1} ${#V4} $(env | wc -c) > $0' {{OUTFILE}} "
    arguments = script + "é" * ((MAX_STRING_BYTES - 512 - len(script)) // 2)
    strings = [*environment.items(), ("REST", ""), (arguments, "x" * 512)]
    used = sum(len((name + value).encode()) + STRING_OVERHEAD_BYTES for name, value in strings)
    environment["REST"] = "y" * (MAX_PROGRAM_BYTES - used)
    return arguments, environment


def test_the_largest_program_is_within_the_limits_and_one_byte_more_is_not() -> None:
    arguments, environment = largest_program()
    assert not [*find_program_problems(arguments, environment)]
    assert [*find_program_problems(arguments, environment | {"REST": environment["REST"] + "y"})]
    assert [*find_program_problems(arguments + "éé", environment | {"REST": ""})]


def test_the_documented_table_is_the_one_of_the_code() -> None:
    assert limits.print_table() in DOCUMENT.read_text()


@pytest.mark.parametrize("letter", ["x", "é", "日"])
def test_a_variable_is_measured_in_bytes_and_with_its_name(letter: str) -> None:
    room = (MAX_STRING_BYTES - len("NAME")) // len(letter.encode())
    assert not [*find_program_problems("", {"NAME": letter * room})]
    ((name, problem),) = find_program_problems("", {"NAME": letter * (room + 1)})
    assert name == "NAME"
    assert f"at most {MAX_STRING_BYTES} bytes with its name" in problem
    assert "put the data into a file" in problem


def test_arguments_are_measured_with_the_paths_that_their_placeholders_become() -> None:
    assert not [*find_program_problems("x" * MAX_STRING_BYTES, {})]
    for arguments in ("x" * (MAX_STRING_BYTES + 1), "é" * 65_536, "{{INFILE}}" * 300):
        ((name, problem),) = find_program_problems(arguments, {})
        assert name == "args"
        assert f"at most {MAX_STRING_BYTES} bytes, 512 for each placeholder" in problem


def test_many_small_variables_count_with_what_each_costs_beside_its_bytes() -> None:
    n = MAX_PROGRAM_BYTES // (STRING_OVERHEAD_BYTES + 6)
    assert not [*find_program_problems("", {f"A{k:05}": "" for k in range(n - 10)})]
    ((name, problem),) = find_program_problems("", {f"A{k:05}": "" for k in range(n + 10)})
    assert name == "args"
    assert f"at most {MAX_PROGRAM_BYTES} bytes together" in problem


def test_the_event_that_asks_for_the_most_queues_with_the_longest_names_is_one_that_the_broker_takes() -> None:
    queues = [
        QueuePlan(mqid=Mqid(f"a{n:020x}"), alias=Alias("日" * 85), is_public=True, is_input=True, is_output=True)
        for n in range(limits.MAX_WORKFLOW_QUEUES)
    ]
    now = datetime.now(UTC)
    payload = WorkflowRequested(
        workflow_id=WorkflowId("WF-6b00e09f-926a610b"),
        priority=50,
        owner="o" * 256,
        projects=[],
        queues=queues,
        schedds=["schedd"],
        requested_at=now,
    )
    event = build_event(payload, event_id=EventId("1"), source="ewms/wms", time=now, traceparent=None)
    assert len(event_to_bytes(event)) < MAX_EVENT_BYTES
