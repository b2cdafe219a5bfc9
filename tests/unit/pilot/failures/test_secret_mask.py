"""No secret stays in a text, also if the text begins within one."""

from hypothesis import given
from hypothesis import strategies as st

from pilot.failures.secret_mask import SecretMask


@given(st.lists(st.sampled_from(["s3cret", "x ", "s3", "cret", "-more"]), max_size=8))
def test_no_secret_stays(parts: list[str]) -> None:
    text = "".join(parts)
    mask = SecretMask([b"s3cret", b"s3cret-more\n", b"no"])
    assert "s3cret" not in mask.mask_text(text)
    assert mask.mask_bytes(text.encode()).decode() == mask.mask_text(text)


@given(st.integers(0, 12))
def test_the_end_of_a_text_may_begin_within_a_secret(n_lost: int) -> None:
    masked = SecretMask([b"0123456789ab"]).mask_end("0123456789ab is wrong"[n_lost:])
    n_left = 12 - n_lost
    assert masked == ("*** is wrong" if n_left >= 4 else f"{'0123456789ab'[n_lost:]} is wrong")


def test_without_secrets_nothing_changes() -> None:
    mask = SecretMask([b"", b"abc"])
    assert (mask.mask_end("abc"), mask.mask_bytes(b"abc"), mask.mask_json({"abc": 1})) == ("abc", b"abc", {"abc": 1})
