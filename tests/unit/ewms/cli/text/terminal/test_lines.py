from pathlib import Path
from typing import Any

import pytest

from ewms.cli.text.terminal.lines import MAX_LINE_BYTES, describe_stop, name_line_in_errors, read_payloads
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


@pytest.mark.parametrize("error", [ValueError("NaN"), TypeError("set"), TooLarge("5 MB", hint="less")])
def test_what_cannot_be_sent_is_told_with_its_line(error: Exception) -> None:
    with pytest.raises(Rejected, match="line 3: ") as caught, name_line_in_errors("standard input, line 3"):
        raise error
    assert caught.value.hint
    assert isinstance(caught.value, TooLarge) == isinstance(error, TooLarge)


@pytest.mark.parametrize("content", [b"1\n\n{oops\n4\n", b"1\n\n\xff\n4\n", b"1\n\n" + b"x" * (MAX_LINE_BYTES + 1)])
def test_the_number_of_a_bad_line_is_known(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "events"
    file.write_bytes(content)
    numbers: list[int] = []
    with pytest.raises(Rejected):
        list(read_payloads(file, text=False, on_line=numbers.append))
    assert numbers == [1, 2, 3]


@pytest.mark.parametrize(
    ("file", "bad_line", "options", "stays_open", "lines"),
    [
        (
            "a b", 4, ["--close-inputs"], True,
            [
                "3 event(s) published to in; the inputs of WF-1 stay open",
                "  mend line 4, then go on from there: tail -n +4 'a b' | ewms queue publish WF-1 in - --close-inputs",
            ],
        ),
        ("events", 4, ["--key", "id"], False, [
            "3 event(s) published to in",
            "  mend line 4, then go on from there: tail -n +4 events | ewms queue publish WF-1 in - --key id",
        ]),
        ("-", 4, ["--close-inputs"], True, [
            "3 event(s) published to in; the inputs of WF-1 stay open",
            "  go on from line 4 of the input: ewms queue publish WF-1 in - --close-inputs",
        ]),
        ("events", 0, ["--close-inputs"], True, [
            "3 event(s) published to in; the inputs of WF-1 stay open",
            "  close them when all events are published: ewms workflow close-inputs WF-1",
        ]),
    ],
)  # fmt: skip
def test_publish_says_where_it_stopped_and_how_to_go_on(
    file: str, bad_line: int, options: list[str], stays_open: bool, lines: list[str]
) -> None:
    told = describe_stop(
        3, workflow="WF-1", alias="in", file=Path(file), bad_line=bad_line, options=options, stays_open=stays_open
    )
    assert told.splitlines() == lines
