"""What a failing container said last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.errortext import MAX_LINE, NOTHING, last_words

TRACEBACK = """Traceback (most recent call last):
  File "reco.py", line 3, in <module>
    main()
  File "reco.py", line 2, in main
    raise ValueError("bad pixel")
ValueError: bad pixel
"""


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("", NOTHING),
        ("\n  \n", NOTHING),
        ("cp: cannot stat 'x': No such file or directory\n", "cp: cannot stat 'x': No such file or directory"),
        ("first\nlast\n\n", "last"),
        (TRACEBACK, "ValueError: bad pixel"),
        (TRACEBACK + "cleaning up\n", "ValueError: bad pixel"),
        (TRACEBACK + "During handling:\n" + TRACEBACK.replace("bad pixel", "worse"), "ValueError: worse"),
        ("real error\nINFO:    Cleaning up image...\n", "real error"),
        ("real error\n\x1b[33mWARNING:\x1b[0m underlay of /etc required more than 50\n", "real error"),
        ("INFO:    Starting\nFATAL:   stat /x: no such file\nINFO:    bye\n", "FATAL:   stat /x: no such file"),
        ("INFO:    only noise\n", NOTHING),
        ("loading\nERROR: cannot open input\n", "ERROR: cannot open input"),
        ("real error\nDEBUG   [U=0,P=71]   create()   Setting up\n", "real error"),
        ("INFORMATION overload\n", "INFORMATION overload"),
        ("\x1b[31mred\x1b[0m\x07\n", "red"),
        ("Traceback (most recent call last):\n  File cut off", "File cut off"),
    ],
)
def test_the_line_that_says_best_why(stderr: str, line: str) -> None:
    assert last_words(stderr)[0] == line


def test_the_traceback_is_kept_for_those_who_look_closer() -> None:
    _, traceback = last_words("noise\n" + TRACEBACK + "more noise\n")
    assert traceback == TRACEBACK.strip()


def test_a_long_line_is_cut() -> None:
    assert len(last_words("x" * 10_000)[0]) == MAX_LINE


@given(st.text())
def test_any_output_becomes_one_printable_line(stderr: str) -> None:
    line, traceback = last_words(stderr)
    assert line
    assert len(line) <= MAX_LINE
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line.replace("\t", ""))
    assert len(traceback) <= 3000
