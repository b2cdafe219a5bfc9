import pytest

from ewms import errors
from schemas.errors import Conflict, EWMSError, NotFound, Rejected, Unauthenticated, Unavailable


@pytest.mark.parametrize(
    ("code", "kind", "family"),
    [
        (400, errors.Refused, Rejected),
        (403, errors.NotSignedIn, Unauthenticated),
        (404, errors.NotThere, NotFound),
        (409, errors.AlreadyThere, Conflict),
        (422, errors.Refused, Rejected),
        (500, errors.ServerFailed, EWMSError),
        (503, errors.ServerDown, Unavailable),
    ],
)
def test_an_answer_becomes_an_error_of_its_family_with_its_own_code(
    code: int, kind: type[EWMSError], family: type[EWMSError]
) -> None:
    error = errors.error_from_answer(code, "why", hint="do that", request_id="r-1")
    assert type(error) is kind
    assert isinstance(error, family)
    assert (error.code, error.reason, error.hint, error.request_id) == (code, "why", "do that", "r-1")


def test_one_answer_s_code_does_not_leak_into_the_next() -> None:
    errors.error_from_answer(422, "x")
    assert errors.Refused("y").code == 400


def test_a_failed_publish_says_how_many_and_why() -> None:
    failed = errors.PublishFailed([("a", Rejected("queue full", hint="wait")), ("b", Rejected("other"))])
    assert failed.reason == "2 event(s) not published: queue full"
    assert (failed.hint, len(failed.failures)) == ("wait", 2)
