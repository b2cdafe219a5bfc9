import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewms.cli.text.terminal.plain import escape_controls, escape_stretches


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("ä → 漢\tx\n", "ä → 漢\tx\n"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("done\r\nnext", "done\nnext"),
        ("50 %\r100 %", "50 %\\r100 %"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(written: str, shown: str) -> None:
    assert escape_controls(written) == shown


@given(st.binary(), st.integers(1, 5))
def test_where_a_stretch_ends_changes_nothing(content: bytes, size: int) -> None:
    cut = [content[i : i + size] for i in range(0, len(content), size)]
    assert "".join(escape_stretches(cut)) == escape_controls(content.decode(errors="backslashreplace"))
