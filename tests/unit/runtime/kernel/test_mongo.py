"""What the database's refusals mean to a caller: whether to try again, and what an operator mends."""

import pytest
from pymongo.errors import OperationFailure

from runtime.kernel.mongo import is_transient, translate_errors
from schemas.errors import Broken, EWMSError, Unavailable

DROP_PENDING, PLAN_KILLED, UNAUTHORIZED, OTHER = 215, 175, 13, 2


@pytest.mark.parametrize(
    ("code", "meaning"),
    [(DROP_PENDING, Unavailable), (PLAN_KILLED, Unavailable), (UNAUTHORIZED, Unavailable), (OTHER, Broken)],
)
def test_a_refusal_that_passes_or_that_an_operator_mends_is_no_fault_of_ours(
    code: int, meaning: type[EWMSError]
) -> None:
    with pytest.raises(EWMSError) as raised, translate_errors():
        raise OperationFailure("refused", code, {"code": code})
    assert type(raised.value) is meaning


@pytest.mark.parametrize(("code", "passes"), [(DROP_PENDING, True), (PLAN_KILLED, True), (OTHER, False)])
def test_a_transaction_is_tried_again_while_the_database_is_being_emptied(code: int, passes: bool) -> None:
    assert is_transient(OperationFailure("refused", code, {"code": code})) is passes
