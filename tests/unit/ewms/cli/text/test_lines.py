from pathlib import Path
from typing import Any

import pytest

from ewms.cli.text.lines import MAX_LINE_BYTES, name_line_in_errors, read_key, read_payloads
from schemas.errors import Rejected, TooLarge


def read(directory: Path, content: bytes, *, text: bool = False) -> list[Any]:
    file = directory / "events"
    file.write_bytes(content)
    return [payload for _, payload in read_payloads(file, text=text)]


@pytest.mark.parametrize(
    ("content", "text", "events"),
    [
        (b'1\n\n{"a": "\xc3\xa4"}\n', False, [1, {"a": "ä"}]),
        (b"\xef\xbb\xbf1\r\n2", False, [1, 2]),
        (b"a\r\n\n b\n", True, ["a", "", " b"]),
        (b"", True, []),
    ],
)
def test_a_line_is_an_event(content: bytes, text: bool, events: list[Any], tmp_path: Path) -> None:
    assert read(tmp_path, content, text=text) == events


@pytest.mark.parametrize(
    ("content", "text", "says"),
    [
        (b"1\noops", False, "line 2: not JSON (Expecting value at column 1)"),
        (b"NaN", False, "line 1: not JSON that can be sent: JSON has no NaN; write null or a text"),
        (b"[" * 100_000, False, "line 1: not JSON that can be sent"),
        (b"1\n\xff", False, "line 2: byte 1 is not UTF-8"),
        (b"a\xff", True, "line 1: byte 2 is not UTF-8"),
        ("1\n".encode("utf-16"), False, "line 1: byte 1 is not UTF-8"),
        (b"1\n\xef\xbb\xbf2", False, "line 2: not JSON"),
        (b"1\n" + b" " * (MAX_LINE_BYTES + 1), False, f"line 2 has more than {MAX_LINE_BYTES} bytes"),
    ],
)
def test_a_line_that_is_none_is_named_with_rule_and_remedy(
    content: bytes, text: bool, says: str, tmp_path: Path
) -> None:
    with pytest.raises(Rejected) as caught:
        read(tmp_path, content, text=text)
    assert caught.value.reason.startswith(f"{tmp_path / 'events'}, ")
    assert says in caught.value.reason
    assert caught.value.hint


@pytest.mark.parametrize(("name", "says"), [("", "Is a directory"), ("none", "No such file")])
def test_a_file_that_cannot_be_read_is_named(name: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=says):
        list(read_payloads(tmp_path / name, text=True))


def test_a_line_without_an_end_is_not_read_to_its_end() -> None:
    with pytest.raises(TooLarge, match="line 1 has more than"):
        list(read_payloads(Path("/dev/zero"), text=True))


def test_a_key_is_a_field_of_an_object() -> None:
    assert read_key({"id": 7}, "id", "x") == 7
    assert read_key(7, None, "x") is None
    with pytest.raises(Rejected, match="no field 'id'") as caught:
        read_key({"name": 7}, "id", "standard input, line 3")
    assert "name" in caught.value.hint
    with pytest.raises(Rejected, match="needs an object"):
        read_key([7], "id", "x")


@pytest.mark.parametrize("error", [ValueError("NaN"), TypeError("set"), TooLarge("5 MB", hint="less")])
def test_what_cannot_be_sent_is_told_with_its_line(error: Exception) -> None:
    with pytest.raises(Rejected, match="line 3: ") as caught, name_line_in_errors("standard input, line 3"):
        raise error
    assert caught.value.hint
    assert isinstance(caught.value, TooLarge) == isinstance(error, TooLarge)
