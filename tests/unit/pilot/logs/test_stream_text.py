"""The text of a stream is complete, in order and bounded, however it is cut into chunks, and has no secret in it."""

from hypothesis import given
from hypothesis import strategies as st

from pilot.failures.secret_mask import SecretMask
from pilot.logs.stream_text import StreamText, cut_note
from schemas.pilot.outcomes import MAX_PIECE_BYTES

CHUNKS = st.lists(st.binary(max_size=40) | st.text(max_size=20).map(str.encode) | st.just(b"s3cret"), max_size=12)


def published(text: StreamText, chunks: list[bytes], *, often: bool = True) -> list[str]:
    """Return the pieces of a run that writes `chunks`."""
    pieces = []
    for chunk in chunks:
        text.add_chunk(chunk)
        if often:
            pieces += text.take_texts()
    return pieces + text.take_texts(last=True)


@given(CHUNKS, st.booleans())
def test_the_pieces_are_the_whole_text(chunks: list[bytes], often: bool) -> None:
    text = StreamText(10_000)
    assert "".join(published(text, chunks, often=often)) == b"".join(chunks).decode(errors="replace")
    assert text.n_bytes == len(b"".join(chunks))
    assert not text.is_cut


@given(CHUNKS, st.integers(1, 30))
def test_at_most_the_limit_is_kept_and_the_cut_is_noted(chunks: list[bytes], limit: int) -> None:
    text = StreamText(limit)
    whole = b"".join(chunks)
    assert "".join(published(text, chunks)) == whole[:limit].decode(errors="replace")
    assert text.is_cut == (len(whole) > limit)
    assert text.n_bytes == len(whole)


@given(CHUNKS, st.booleans())
def test_no_secret_is_in_a_log_wherever_the_chunks_end(chunks: list[bytes], often: bool) -> None:
    secrets = [b"s3cret", b"s3cret-and-more\n", b"abc"]
    read = "".join(published(StreamText(10_000, SecretMask(secrets)), chunks, often=often))
    assert "s3cret" not in read
    whole = b"".join(chunks).replace(b"s3cret", b"***")
    assert read == whole.decode(errors="replace")


def test_only_what_may_begin_a_secret_waits_for_the_next_chunk() -> None:
    text = StreamText(1000, SecretMask([b"s3cret-and-more"]))
    text.add_chunk(b"line 1\n")
    assert text.take_texts() == ["line 1\n"]
    text.add_chunk(b"it is s3cret-")
    assert text.take_texts() == ["it is "]
    text.add_chunk(b"less\n")
    assert text.take_texts() == ["s3cret-less\n"]


def test_of_two_secrets_the_longer_one_is_masked_whole_and_a_short_one_stays_readable() -> None:
    text = StreamText(1000, SecretMask([b"pass", b"password\n", b"no"]))
    assert "".join(published(text, [b"pass pass", b"word no\n"])) == "*** *** no\n"


def test_a_large_text_is_several_pieces_and_a_character_is_never_torn() -> None:
    pieces = published(StreamText(10**7), ["ä".encode() * 100_000], often=False)
    assert [len(piece) <= MAX_PIECE_BYTES for piece in pieces] == [True] * 2
    assert "".join(pieces) == "ä" * 100_000


def test_the_note_says_how_much_was_written_and_kept() -> None:
    assert cut_note("stderr", 5000, 1000) == (
        "\n[cut here: the task wrote 5000 bytes to stderr, and EWMS_PILOT_LOG_LIMIT keeps 1000]\n"
    )
