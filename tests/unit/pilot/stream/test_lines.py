"""What a warm task is given for an event, and what its answers mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.containers.task_interface import RunOutcome
from pilot.failures.failure import Failure
from pilot.stream.lines import MAX_LINE_BYTES, build_request, parse_answer, unasked_failure
from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.ids import EventId
from schemas.payloads import legacy_wire
from schemas.payloads.data_events import DataEvent, DeadReason

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
IDS = st.text(max_size=50)


def event(body: bytes, event_id: str = "e1", content_type: str = "application/json") -> DataEvent:
    return DataEvent(body, EventId(event_id), content_type)


def asked(body: bytes, event_id: str = "e1", attempt: int = 1) -> bytes:
    line = build_request(event(body, event_id), attempt)
    assert isinstance(line, bytes)
    return line


def said(line: bytes, event_id: str = "e1") -> RunOutcome:
    outcome = parse_answer(line, event_id)
    assert isinstance(outcome, RunOutcome)
    return outcome


def test_an_event_is_one_line_of_compact_json() -> None:
    assert asked(b'{"x":1.0}', "9f", 3) == b'{"id":"9f","attempt":3,"data":{"x":1.0}}\n'


@given(JSON_VALUES, IDS, st.integers(1, 9), st.sampled_from([None, 2]), st.booleans())
def test_whatever_the_event_is_its_line_is_one_line_that_holds_it(
    data: Any, event_id: str, attempt: int, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only)
    line = build_request(event(text.encode(errors="surrogatepass"), event_id), attempt)
    if isinstance(line, Failure):
        assert not ascii_only, "half of a surrogate pair is no UTF-8 and the only thing that may be refused"
        return
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert json.loads(line) == {"id": event_id, "attempt": attempt, "data": data}


def test_the_events_json_goes_as_it_is_written_but_for_its_line_breaks() -> None:
    assert b'"data":[1.50,\t 1e400,   123456789012345678901234567890 ]' in asked(
        b"[1.50,\t 1e400, \r\n123456789012345678901234567890 ]"
    )


@pytest.mark.parametrize(
    "body", [b"", b"{", b"plain text", b"\xff\xfe", b"'single'", b"{} {}", b'"raw \n break"', b"[" * 100_000]
)
def test_an_event_that_is_not_json_is_given_up_at_once_with_the_remedy(body: bytes) -> None:
    failure = build_request(event(body, content_type=""), 1)
    assert isinstance(failure, Failure)
    assert failure.final
    assert failure.reason is DeadReason.UNREADABLE
    assert "EWMS_PILOT_TASK_MODE" in failure.text


def test_an_event_over_the_limit_is_given_up() -> None:
    failure = build_request(event(b'"' + b"x" * MAX_EVENT_BYTES + b'"'), 1)
    assert isinstance(failure, Failure)
    assert failure.final


def test_an_existing_clients_event_gives_the_json_that_it_carries() -> None:
    packed = DataEvent(legacy_wire.encode_legacy({"a": "line\nbreak"}), EventId(""), "")
    line = build_request(packed, 2)
    assert line == b'{"id":"","attempt":2,"data":{"a":"line\\nbreak"}}\n'
    broken = build_request(DataEvent(legacy_wire.MAGIC + b"rubbish", EventId("e"), ""), 1)
    assert isinstance(broken, Failure)
    assert broken.final


@given(JSON_VALUES, IDS)
def test_what_a_task_answers_is_the_output(data: Any, event_id: str) -> None:
    outcome = said(json.dumps({"id": event_id, "data": data}).encode(), event_id)
    assert outcome.failure is None
    assert outcome.output is not None
    assert outcome.output_type == "application/json"
    assert json.loads(outcome.output) == data
    assert b"\n" not in outcome.output


@pytest.mark.parametrize(
    ("line", "output"),
    [
        (b'{"id":"e1"}', None),
        (b'{"id":"e1","error":null}', None),
        (b'{"id":"e1","data":null}', b"null"),
        (b' {"data": {"a":  [1, 2]}, "id": "e1", "more": 1} \r', b'{"a":[1,2]}'),
        ('{"id":"e1","data":"é"}'.encode(), '"é"'.encode()),
        (b'{"id":"e1","data":"\\ud800"}', b'"\\ud800"'),
    ],
)
def test_an_answer_without_data_is_a_success_without_an_output(line: bytes, output: bytes | None) -> None:
    outcome = said(line)
    assert (outcome.failure, outcome.output) == (None, output)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ('"bad pixel"', "task failed: bad pixel"),
        ('""', "task failed: <no text>"),
        ('"two\\nlines"', "task failed: two lines"),
        ('{"code": 3}', 'task failed: {"code":3}'),
        ('"\\u001b[31mred\\u0007"', "task failed: red"),
    ],
)
def test_an_error_fails_the_event_as_a_failing_task_does(error: str, text: str) -> None:
    failure = said(b'{"id":"e1","data":1,"error":%b}' % error.encode()).failure
    assert failure is not None
    assert (failure.type, failure.text) == ("ContainerRunError", text)
    assert failure.reason is DeadReason.TASK_FAILED
    assert not failure.final


def test_an_error_that_is_a_traceback_is_told_by_its_last_line() -> None:
    trace = "Traceback (most recent call last):\n  File 'x', line 1\nValueError: bad pixel\n"
    failure = said(json.dumps({"id": "e1", "error": trace}).encode()).failure
    assert failure is not None
    assert failure.text == "task failed: ValueError: bad pixel"
    assert failure.traceback.startswith("Traceback")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"Loading the model...", "is not JSON"),
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'{"id":"e1"', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'"e1"', "is not a JSON object"),
        (b'{"data":1}', "is not a JSON object"),
        (b'{"id":"e2"}', "has another id"),
        (b'{"id":null}', "has another id"),
        (b'{"id":["e1"]}', "has another id"),
    ],
)
def test_a_line_that_breaks_a_rule_says_which_and_what_to_do(line: bytes, rule: str) -> None:
    failure = parse_answer(line, "e1")
    assert isinstance(failure, Failure)
    assert rule in failure.text
    assert "; " in failure.text
    assert failure.reason is DeadReason.OUTPUT_UNREADABLE
    assert failure.aka == "InvalidOutfile", "the name that EWMS_PILOT_OKAY_ERRORS has for it"


@given(st.binary())
def test_any_bytes_are_an_outcome_or_a_broken_rule(line: bytes) -> None:
    parse_answer(line, "e1")


def test_an_output_over_the_limit_is_given_up_at_once_and_a_line_over_it_breaks_the_rule() -> None:
    exact = b'{"id":"e1","data":"' + b"x" * (MAX_EVENT_BYTES - 2) + b'"}'
    assert said(exact).failure is None
    over = said(b'{"id":"e1","data":"' + b"x" * (MAX_EVENT_BYTES - 1) + b'"}').failure
    long = parse_answer(b"x" * (MAX_LINE_BYTES + 1), "e1")
    for failure in (over, long):
        assert isinstance(failure, Failure)
        assert (failure.final, failure.reason) == (True, DeadReason.OUTPUT_TOO_LARGE)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_python_takes_for_a_number_and_json_does_not_is_refused_both_ways(word: str) -> None:
    for key in ("data", "error", "more"):
        failure = parse_answer(b'{"id":"e1","%b":[%b]}' % (key.encode(), word.encode()), "e1")
        assert isinstance(failure, Failure)
        assert "is not JSON" in failure.text
    packed = DataEvent(legacy_wire.encode_legacy({"x": float(word)}), EventId("e1"), "")
    for given_event in (event(b'{"x":%b}' % word.encode()), packed):
        refused = build_request(given_event, 1)
        assert isinstance(refused, Failure)
        assert (refused.final, refused.reason) == (True, DeadReason.UNREADABLE)


@pytest.mark.parametrize("key", ["data", "error"])
@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_a_number_that_no_double_holds_is_refused_in_an_answer(key: str, number: str) -> None:
    failure = parse_answer(b'{"id":"e1","%b":[%b]}' % (key.encode(), number.encode()), "e1")
    assert isinstance(failure, Failure)
    assert "too large for a double; write such a number as a text" in failure.text
    assert failure.reason is DeadReason.OUTPUT_UNREADABLE


def test_an_outputs_integers_keep_their_digits_and_other_numbers_those_of_a_double() -> None:
    outcome = said(b'{"id":"e1","data":[123456789012345678901234567890,0.10000000000000000001]}')
    assert outcome.output == b"[123456789012345678901234567890,0.1]"


def test_what_comes_unasked_has_its_remedy_too() -> None:
    assert "came without a request; write one line to standard output for each line of input" in unasked_failure().text
