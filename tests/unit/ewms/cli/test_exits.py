import errno

import pytest

from ewms.cli.exits import ExitStatus, error_message, error_object, exit_status_of
from ewms.errors import OutcomeFailed, PublishFailed, TimedOut, Unreachable, error_from_answer
from runtime.amqp import AccessRefused, ConnectionLost
from schemas.errors import Rejected, TooLarge


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OutcomeFailed(["x"]), 1),
        (PublishFailed([("id", ConnectionLost("x"))]), 1),
        (Rejected("x"), 2),
        (error_from_answer(400, "x"), 2),
        (TooLarge("x"), 2),
        (error_from_answer(403, "x"), 3),
        (AccessRefused("x"), 3),
        (error_from_answer(404, "x"), 4),
        (error_from_answer(409, "x"), 5),
        (TimedOut("x"), 6),
        (Unreachable("x"), 7),
        (error_from_answer(503, "x"), 7),
        (ConnectionLost("x"), 7),
        (error_from_answer(500, "x"), 1),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("x"), 1),
    ],
)
def test_each_kind_of_error_has_its_status(error: BaseException, status: int) -> None:
    assert exit_status_of(error) == status
    assert exit_status_of(error) in ExitStatus


def test_a_message_has_reason_hint_and_request() -> None:
    text = error_message(error_from_answer(404, "no workflow", hint="list them", request_id="r-7"))
    assert text.splitlines() == ["ewms: no workflow", "  hint: list them", "  request: r-7"]


def test_what_is_wrong_with_a_request_stands_one_a_line() -> None:
    reason = "'tasks.0.n_workers': must be at least 1; 'a': is required; tasks[1].x cannot be"
    assert error_message(error_from_answer(400, reason)).splitlines() == [
        "ewms: the request is refused:",
        "  'tasks.0.n_workers': must be at least 1",
        "  'a': is required",
        "  tasks[1].x cannot be",
    ]


def test_an_error_as_an_object_has_what_the_rest_api_states_and_the_status() -> None:
    assert error_object(error_from_answer(404, "no workflow", hint="list them", request_id="r-7")) == {
        "code": 404,
        "error": "no workflow",
        "hint": "list them",
        "request_id": "r-7",
        "status": 4,
    }
    assert error_object(Unreachable("nobody there"))["code"] == 0
    assert error_object(OSError(errno.ENOSPC, "No space left"))["error"] == "cannot write the output: No space left"


def test_output_that_cannot_be_written_is_no_defect() -> None:
    text = error_message(OSError(errno.ENOSPC, "No space left on device"))
    assert "cannot write the output: No space left on device" in text
    assert "defect" not in text


def test_a_defect_is_told_in_a_line_not_a_traceback() -> None:
    assert "Traceback" not in error_message(ZeroDivisionError("division"))
    assert "EWMS_DEBUG" in error_message(ZeroDivisionError("division"))
