import base64
import json

import pytest

from ewms.gateway.token_claims import find_token_fault, renewal_due_at


def token(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"h.{body}.s"


def test_a_token_is_renewed_before_half_of_its_life() -> None:
    at = renewal_due_at(token({"iat": 1000, "exp": 2000}), now_s=1990)
    assert at is not None
    assert 1000 < at < 1500


def test_a_token_without_its_begin_counts_from_now() -> None:
    at = renewal_due_at(token({"exp": 2000}), now_s=1800)
    assert at is not None
    assert 1800 < at < 1900


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "a.!!.c", token([1]), token({}), token({"exp": "soon"})])
def test_what_tells_no_end_is_never_renewed(text: str) -> None:
    assert renewal_due_at(text, now_s=0) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no token"),
        ("secret", "not a JSON Web Token"),
        (token({"exp": 86400}), "expired at 1970-01-02 00:00:00 UTC"),
    ],
)
def test_what_is_wrong_with_a_token_is_told_without_the_token(text: str, says: str) -> None:
    refusal = find_token_fault(text, now_s=86400.0)
    assert refusal is not None
    assert says in refusal.reason
    assert not text or text not in refusal.reason + refusal.hint


def test_of_a_token_that_looks_good_only_the_server_knows_more() -> None:
    assert find_token_fault(token({"exp": 86401}), now_s=86400.0) is None
