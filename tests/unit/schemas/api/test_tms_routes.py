from typing import Any

import pytest
from pydantic import ValidationError

from schemas.api.tms_routes import CondorSubmit


@pytest.mark.parametrize("submit", [{"a\0b": 1}, {"": "x"}, {"a": 2**64}, {"a": 1.5}])
def test_a_submit_description_that_no_document_can_hold_is_refused(submit: dict[str, Any]) -> None:
    CondorSubmit.model_validate({"submit_dict": {"request_cpus": 1, "+Owner": "x"}})
    with pytest.raises(ValidationError):
        CondorSubmit.model_validate({"submit_dict": submit})
