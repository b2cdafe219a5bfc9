import enum
import json
import subprocess
import sys
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.payloads.json_text import (
    dump_json,
    dump_with_standard_library,
    load_json,
    load_with_standard_library,
)

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


def outcome(do: Callable[[Any], Any], argument: Any) -> str:
    """Return the result of a call as text, so that 1 differs from 1.0 and 0.0 from -0.0; or its error's."""
    try:
        return repr(do(argument))
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


long_numbers = st.one_of(
    st.integers(2**63 - 2, 2**64 + 2),
    st.integers(-(2**63) - 2, -(2**63) + 2),
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.from_regex(r"\A-?[0-9]{1,25}(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?\Z"),
)
json_texts = st.one_of(
    json_values.map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1).encode(errors="surrogatepass")),
    long_numbers.map(lambda number: f'{{"a": [{number}]}}'.encode()),
    st.binary(max_size=20),
    st.text(alphabet='[]{}",:0123456789.eE+-truefalsnNaIity\\\\du \t\r\n\f\ufeff', max_size=12).map(str.encode),
)


@given(json_texts)
@example(b"18446744073709551616")
@example(b"-9223372036854775809")
@example(b"[0.00012345678901234567, -0, -0.0, 1e400, 1e-400]")
@example(b'"\\ud800"')
@example(b"\xef\xbb\xbf1")
@example(b"[NaN]")
@example(b"1" * 5000)
@example(b"[" * 100_000)
def test_orjson_and_the_standard_library_read_the_same(text: bytes) -> None:
    assert outcome(load_json, text) == outcome(load_with_standard_library, text)


class Colour(enum.Enum):
    RED = "red"


class Kind(enum.StrEnum):
    WARM = "warm"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: float


@dataclass
class Photon:
    x: float


class Name(str):
    pass


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(2**63 - 2, 2**64 + 2),
        st.floats(),
        st.text(alphabet=st.characters(codec=None)),
        st.sampled_from([Colour.RED, Kind.WARM, Level.HIGH, Point(1.5), Photon(1.0), Name("n"), "null", b"bytes", {1}]),
        st.uuids(),
        st.just(datetime(2026, 1, 1, tzinfo=UTC)),
        st.decimals(allow_nan=False),
    ),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(st.text(), inner).map(OrderedDict)
        | st.dictionaries(
            st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.uuids()), inner, max_size=2
        )
    ),
    max_leaves=8,
)


@given(values)
@example(float("nan"))
@example([None, float("inf")])
@example({"a": 2**64})
@example(["\ud800"])
@example({Colour.RED: 1})
@example({Kind.WARM: 1})
def test_orjson_and_the_standard_library_write_the_same(value: object) -> None:
    def write_and_read(write: Callable[[Any], bytes]) -> str:
        return outcome(lambda value: load_with_standard_library(write(value)), value)

    assert write_and_read(dump_json) == write_and_read(dump_with_standard_library)


def test_values_that_contain_themselves_or_are_too_deep_are_refused() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        dump_json(circle)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        dump_json(deep)


def test_a_uuid_is_written_as_a_text_and_an_enum_as_its_value() -> None:
    id_ = uuid.uuid4()
    assert json.loads(dump_json({"id": id_, "colour": Colour.RED})) == {"id": str(id_), "colour": "red"}


def test_a_worker_without_orjson_reads_and_writes_json() -> None:
    program = """
import sys
sys.modules["orjson"] = None
from schemas.payloads.json_text import dump_json, load_json
print(dump_json(load_json(b'{"a": [1.5, null, 18446744073709551616]}')).decode())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == '{"a":[1.5,null,18446744073709551616]}\n'
