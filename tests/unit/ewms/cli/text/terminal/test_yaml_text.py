import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ewms.cli.text.terminal.yaml_text import yaml_text

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | TEXTS
    | st.sampled_from(["no", "null", "1.0", "a: b", "- a", "2026-11-28"]),
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_a_yaml_reader_gets_back_what_was_written(value: object) -> None:
    assert yaml.safe_load(yaml_text(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [{"b": 1, "c": []}, "x y"], "d": {}}, 'a:\n  - b: 1\n    c: []\n  - "x y"\nd: {}\n'),
        ([], "[]\n"),
        ("WF-6b00e09f-926a610b", "WF-6b00e09f-926a610b\n"),
    ],
)
def test_it_reads_well(value: object, text: str) -> None:
    assert yaml_text(value) == text
