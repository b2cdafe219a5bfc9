"""Which values of requests are ids."""

from typing import Any

import pytest

from wms.trees.object_ids import MAX_ID, is_like_id, read_object_id


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (7, 7),
        ("7", 7),
        (str(MAX_ID), MAX_ID),
        (str(MAX_ID + 1), None),
        (MAX_ID + 1, None),
        ("1" * 5000, None),
        (10**400, None),
        ("0", None),
        (-1, None),
        ("-1", None),
        ("", None),
        ("٣", None),
        (True, None),
        (1.0, None),
        (None, None),
        ([1], None),
    ],
)
def test_an_id_is_a_number_or_a_text_of_digits_that_an_object_can_have(raw: Any, number: int | None) -> None:
    assert read_object_id(raw) == number


def test_a_text_of_digits_is_meant_as_an_id_and_a_boolean_is_not() -> None:
    assert [each for each in (7, "7", "9" * 5000, True, "x", "", None) if is_like_id(each)] == [7, "7", "9" * 5000]
