"""What WMS makes of a step worker's word on a form."""

import pytest

from schemas.errors import Broken, EWMSError, Forbidden
from schemas.questions.step_code import FormEvaluated, FormVerdict
from wms.engine.life.form_verdicts import (
    FormNotCompleteError,
    FormOverflowError,
    FormValidationError,
    PredicateRefused,
    UserCodeFailed,
    find_form_values,
)

TABLE: dict[FormVerdict, tuple[type[EWMSError], int]] = {
    FormVerdict.INCOMPLETE: (FormNotCompleteError, 510),
    FormVerdict.INVALID: (FormValidationError, 400),
    FormVerdict.TOO_MANY_PAGES: (FormOverflowError, 400),
    FormVerdict.REFUSED: (PredicateRefused, 412),
    FormVerdict.FORBIDDEN: (Forbidden, 403),
    FormVerdict.FAILED: (UserCodeFailed, 500),
    FormVerdict.NOT_OFFERED: (Broken, 500),
    FormVerdict("odd"): (Broken, 500),
}


@pytest.mark.parametrize("verdict", TABLE)
def test_each_verdict_but_one_is_an_error_with_its_status(verdict: FormVerdict) -> None:
    family, code = TABLE[verdict]
    with pytest.raises(family) as raised:
        find_form_values(FormEvaluated(verdict=verdict, reason="no"))
    assert (type(raised.value), raised.value.code) == (family, code)


def test_a_complete_form_has_values() -> None:
    assert find_form_values(FormEvaluated(verdict=FormVerdict.COMPLETE, values={"a": 1})) == {"a": 1}


def test_the_next_page_and_the_faults_of_one_are_members_of_the_error() -> None:
    page = {"type": "object"}
    with pytest.raises(FormNotCompleteError) as asks:
        find_form_values(FormEvaluated(verdict=FormVerdict.INCOMPLETE, form=page, meta={"hasNext": True}))
    assert asks.value.members == {"form": page, "meta": {"hasNext": True}}
    fault = {"loc": ["a"], "msg": "required", "type": "missing"}
    with pytest.raises(FormValidationError, match="a: required") as invalid:
        find_form_values(FormEvaluated(verdict=FormVerdict.INVALID, errors=(fault,), reason="a: required"))
    assert invalid.value.members == {"validation_errors": [fault]}
