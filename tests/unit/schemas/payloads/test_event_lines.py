import pytest

from schemas.errors import Rejected
from schemas.payloads.event_lines import parse_line, read_key


def test_a_line_is_one_json_value_and_the_error_names_line_rule_and_remedy() -> None:
    assert parse_line('{"x": 1}', "line 1", remedy="") == {"x": 1}
    with pytest.raises(Rejected, match=r"line 7: not JSON .* at column 7.*every line must be one JSON value") as caught:
        parse_line('{"x": }', "line 7", remedy="quote it")
    assert caught.value.hint == "quote it"
    with pytest.raises(Rejected, match=r"line 2: .*NaN"):
        parse_line("NaN", "line 2", remedy="")


def test_a_key_is_a_field_of_an_object() -> None:
    assert read_key({"id": 7}, "id", "x") == 7
    assert read_key(7, None, "x") is None
    with pytest.raises(Rejected, match="no field 'id'") as caught:
        read_key({"name": 7}, "id", "standard input, line 3")
    assert "name" in caught.value.hint
    with pytest.raises(Rejected, match="needs an object"):
        read_key([7], "id", "x")
