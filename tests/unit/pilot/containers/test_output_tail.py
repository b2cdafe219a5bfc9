"""What is kept of a stream: its end, and no more."""

from hypothesis import given
from hypothesis import strategies as st

from pilot.containers.output_tail import Tail


@given(st.lists(st.binary(max_size=40)), st.integers(0, 200), st.integers(1, 100))
def test_a_tail_is_the_end_of_what_came_since_a_mark(chunks: list[bytes], since: int, limit: int) -> None:
    tail = Tail(limit=32)
    for chunk in chunks:
        tail.add_chunk(bytes(byte & 0x7F for byte in chunk))
    whole = bytes(byte & 0x7F for byte in b"".join(chunks)).decode()
    since = min(since, len(whole))
    assert tail.total == len(whole)
    expected = whole[max(since, len(whole) - min(limit, 32)) :]
    assert tail.read_tail(since, limit) == expected


def test_a_chatty_stream_takes_no_more_memory_than_its_end() -> None:
    tail = Tail(limit=1000)
    for _ in range(1000):
        tail.add_chunk(b"x" * 1000)
    assert (tail.total, len(tail._kept) <= 2000) == (1_000_000, True)
    assert tail.read_tail() == "x" * 1000
