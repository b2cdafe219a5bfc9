"""Equal bugs have equal signatures, different bugs have different ones."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.attempts.signatures import MAX_SIGNATURE, N_ID_DIGITS, signature_id, signature_text

TABLE = {
    "ContainerRunError('task failed (exit code 1): ValueError: bad energy -3.2 in event 9f8c2e11')": (
        "ContainerRunError('task failed (exit code 1): ValueError: bad energy # in event #')"
    ),
    "[Errno 2] No such file or directory: '/data/run_17/x.i3'": "[Errno 2] No such file or directory: #",
    "cannot open ../inputs/a.json": "cannot open #",
    "KeyError: 'e17'": "KeyError: #",
    "KeyError: 'energy'": "KeyError: 'energy'",
    "ZeroDivisionError: division by zero": "ZeroDivisionError: division by zero",
    "task failed: [Timeout-Error] timed out after 10s": "task failed: [Timeout-Error] timed out after #s",
    "object at 0x7f3a92 is gone": "object at # is gone",
    "'utf-8' codec can't decode byte 0xff in position 10": "'utf-8' codec can't decode byte # in position #",
    "index 12 is out of bounds for axis 0 with size 5": "index # is out of bounds for axis # with size #",
    "values [1, 2, 3] and [4,5]": "values [#] and [#]",
    "https://store.example.org/a?b=1 answered 404": "# answered #",
    "10.0.0.3:5672 refused": "# refused",
    "2026-11-28T12:00:01.5Z too late": "# too late",
    "event 6fa459ea-ee8a-3ca4-894e-db77e160355e of WF-6b00e09f-926a610b": "event # of #",
    "run_17.i3 and run_18.i3": "run#.i# and run#.i#",
    "a bad face at the facade of a decade": "a bad face at the facade of a decade",
    "two\n lines\tof  text": "two lines of text",
    "": "",
}


@pytest.mark.parametrize(("error", "text"), TABLE.items())
def test_what_differs_from_event_to_event_is_left_out(error: str, text: str) -> None:
    assert signature_text(error) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("exit code 1: it broke", "exit code 137: it broke"),
        ("[Errno 2] no", "[Errno 13] no"),
        ("KeyError: 'energy'", "KeyError: 'charge'"),
        ("ValueError: bad 3", "TypeError: bad 3"),
    ],
)
def test_bugs_that_differ_in_kind_differ_in_signature(one: str, other: str) -> None:
    assert signature_id(one) != signature_id(other)


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.uuids())
def test_numbers_and_ids_make_no_difference(number: int, fraction: float, name: object) -> None:
    assert signature_id(f"ValueError: {number} of {fraction} in {name}") == signature_id("ValueError: 1 of 2.0 in 3")


@given(st.text(max_size=3000))
def test_any_text_has_a_short_signature_of_one_line(error: str) -> None:
    text = signature_text(error)
    assert len(text) <= MAX_SIGNATURE
    assert len(text.splitlines()) <= 1
    assert len(signature_id(error)) == N_ID_DIGITS


@pytest.mark.parametrize("piece", ["#", "'#", "/", "1.", "0x", "-", "a1_", "//:", "1e", "12:"])
def test_no_text_takes_long(piece: str) -> None:
    began_s = time.process_time()
    signature_text(piece * (2000 // len(piece)))
    assert time.process_time() - began_s < 5
