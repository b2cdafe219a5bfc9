"""The token file, and when to look at it again."""

import base64
import json
import os
from pathlib import Path

import pytest

from pilot.errors import TokenUnusable
from pilot.events.token_file import TokenFile, half_life_at, is_expired, look_again_in_s


def token(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.sig"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (token(iat=100, exp=300), 200.0),
        (token(nbf=100.0, exp=300.5), 200.25),
        (token(exp=300), 300.0),
        (token(iat=1), None),
        (token(exp="soon"), None),
        ("opaque", None),
        ("a.b.c", None),
        ("a.W10.c", None),
    ],
)
def test_half_of_a_tokens_life(text: str, at: float | None) -> None:
    assert half_life_at(text) == at


def test_a_new_token_is_looked_for_more_often_once_half_of_the_life_is_over() -> None:
    text = token(iat=0, exp=3600)
    assert look_again_in_s(text, 0.0) == 60
    assert look_again_in_s(text, 1790.0) == 10
    assert look_again_in_s(text, 1800.0) == 5
    assert look_again_in_s("opaque", 0.0) == 60


def test_a_short_life_leaves_time_for_several_looks_in_its_second_half() -> None:
    text = token(iat=0, exp=16)
    assert look_again_in_s(text, 0.0) == 8
    assert look_again_in_s(text, 8.0) == 2
    assert look_again_in_s(token(iat=0, exp=2), 1.5) == 1


def written(path: Path, text: str, mode: int = 0o600) -> TokenFile:
    path.write_text(text)
    path.chmod(mode)
    return TokenFile(str(path))


def test_a_token_is_read_without_the_line_end(tmp_path: Path) -> None:
    assert written(tmp_path / "t", "secret\n").read_token() == "secret"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_token_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    with pytest.raises(TokenUnusable, match="chmod 600") as caught:
        written(tmp_path / "t", "hush", mode).read_token()
    assert "hush" not in str(caught.value)


def test_a_missing_a_linked_an_empty_and_a_strange_token_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "good", "secret")
    (tmp_path / "link").symlink_to(tmp_path / "good")
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("nothing", "link", "fifo"):
        with pytest.raises(TokenUnusable, match="EWMS_PILOT_TOKEN_FILE"):
            TokenFile(str(tmp_path / name)).read_token()
    for text in ("", "  \n", "two\nlines"):
        with pytest.raises(TokenUnusable, match="holds no token"):
            written(tmp_path / "t", text).read_token()


def test_a_token_renamed_into_place_is_seen(tmp_path: Path) -> None:
    file = written(tmp_path / "t", "old")
    written(tmp_path / "new", "new")
    (tmp_path / "new").rename(tmp_path / "t")
    assert file.read_token() == "new"


def test_a_token_is_expired_from_its_last_second_on_and_an_opaque_one_never() -> None:
    text = token(iat=0, exp=3600)
    assert [is_expired(text, now) for now in (0.0, 3599.9, 3600.0, 1e9)] == [False, False, True, True]
    assert not is_expired("opaque", 1e12)
