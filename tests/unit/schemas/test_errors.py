import pytest

from schemas import errors


@pytest.mark.parametrize(
    "error", [errors.Rejected, errors.Forbidden, errors.NotFound, errors.Conflict, errors.Unavailable, errors.Broken]
)
def test_an_error_that_crossed_the_wire_is_raised_as_the_same_family(error: type[errors.EWMSError]) -> None:
    assert errors.find_family(error.code) is error


@pytest.mark.parametrize(("code", "error"), [(418, errors.Rejected), (502, errors.Broken)])
def test_an_unlisted_code_falls_to_its_hundred(code: int, error: type[errors.EWMSError]) -> None:
    assert errors.find_family(code) is error
