"""No secret stays in a text, also if the text begins within one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.failures.secret_mask import SecretMask, find_hidden_parts
from schemas.rules.secret_names import MASK as HIDDEN

WORDS = st.text("ab -=", min_size=1)


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


@given(words=st.lists(st.text().filter(lambda each: "$" not in each), min_size=2), secret=st.text())
def test_a_secret_is_found_wherever_its_masks_stand(words: list[str], secret: str) -> None:
    assert find_hidden_parts(HIDDEN.join(words), secret.join(words)) == (secret,)


@given(pairs=st.lists(st.tuples(WORDS, st.text("XYZ$"))), end=st.text("ab"))
def test_different_secrets_of_one_text_are_found(pairs: list[tuple[str, str]], end: str) -> None:
    shown = "".join(f"{words}{HIDDEN}" for words, _ in pairs) + end
    found = find_hidden_parts(shown, "".join(f"{words}{secret}" for words, secret in pairs) + end)
    assert set(found) == {secret for _, secret in pairs}


@pytest.mark.parametrize(
    ("shown", "real"),
    [("", "S3cret"), (f"a {HIDDEN} b", "c S3cret b"), (f"ab{HIDDEN}bc", "abc"), (f"a{HIDDEN}b{HIDDEN}c", "aSSc")],
)
def test_a_text_that_does_not_fit_its_masks_is_a_secret_as_a_whole(shown: str, real: str) -> None:
    assert find_hidden_parts(shown, real) == (real,)
    assert find_hidden_parts(real, real) == ()
