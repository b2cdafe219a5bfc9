"""The pieces of a build's log."""

from hypothesis import given
from hypothesis import strategies as st

from processes.builds.log_pieces import LogPieces
from schemas.automation.builds import MAX_REPORTED_LOG


@given(st.text(max_size=50), st.lists(st.integers(1, 5), max_size=20))
def test_pieces_make_up_the_log_however_its_bytes_came(text: str, cuts: list[int]) -> None:
    pieces, rest, got = LogPieces(10_000), text.encode(), ""
    for cut in cuts:
        pieces.add_bytes(rest[:cut])
        rest = rest[cut:]
        got += pieces.take_piece()
    pieces.add_bytes(rest)
    assert got + pieces.take_piece(is_last=True) == text


def test_a_piece_fits_into_a_report() -> None:
    pieces = LogPieces(1 << 20)
    pieces.add_bytes(b"x" * (MAX_REPORTED_LOG + 1))
    assert [len(pieces.take_piece()), len(pieces.take_piece()), len(pieces.take_piece())] == [MAX_REPORTED_LOG, 1, 0]


def test_a_log_ends_at_its_limit_with_a_line_that_says_so() -> None:
    pieces = LogPieces(4)
    pieces.add_bytes(b"abcdef")
    pieces.add_bytes(b"more")
    assert pieces.take_piece(is_last=True) == "abcd\n... the log is longer than its limit; the rest is left out\n"
