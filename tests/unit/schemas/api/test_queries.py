import pytest
from pydantic import ValidationError

from schemas.api.queries import Query


@pytest.mark.parametrize("after", ["x", "0" * 23, "0" * 25, "G" * 24, ""])
def test_a_cursor_is_24_hex_digits(after: str) -> None:
    with pytest.raises(ValidationError):
        Query.model_validate({"query": {}, "after": after})
