from typing import Annotated, ClassVar

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas.api.fields import Unique


class Compared(BaseModel):
    n_comparisons: ClassVar[int] = 0

    n: int
    notes: dict[str, int] = {}

    def __eq__(self, other: object) -> bool:
        Compared.n_comparisons += 1
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self.n)


def test_a_thousand_items_are_found_unique_without_comparing_each_with_each() -> None:
    adapter = TypeAdapter(Annotated[list[Compared], Unique])
    adapter.validate_python([{"n": n} for n in range(1000)])
    assert Compared.n_comparisons <= 1000
    with pytest.raises(ValidationError, match="non-unique"):
        adapter.validate_python([{"n": 1, "notes": {"a": 1, "b": 2}}, {"n": 1, "notes": {"b": 2, "a": 1}}])


@pytest.mark.parametrize("items", [["a", "b"], ["1", "\u0031\u0301"], []])
def test_what_differs_is_unique(items: list[str]) -> None:
    assert TypeAdapter(Annotated[list[str], Unique]).validate_python(items) == items
