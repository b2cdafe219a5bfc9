import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.payloads.json_text import load_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values)
def test_all_json_is_taken_as_text_and_as_bytes(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert load_json(text) == load_json(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[NaN]", "no NaN"),
        ("-Infinity", "no -Infinity"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "byte order mark"),
        ("{}".encode("utf-16-be"), "Expecting"),
        (b"\xff", "byte 1 is not UTF-8"),
        (b"[" * 100_000, "nested"),
        (b"", "Expecting"),
    ],
)
def test_what_only_pythons_reader_takes_is_refused_with_the_reason(text: bytes | str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        load_json(text)
