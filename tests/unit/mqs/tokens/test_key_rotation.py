"""Every key that can have signed a token which still lives is listed, whatever the order in which keys come and go."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mqs.tokens.key_rotation import is_signing, jwks_document, parse_keys, rotate_key
from runtime.kernel.decision import Insert, Update

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
LIFE = timedelta(hours=24)


class Keys:
    """The keys' collection."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}

    def rotate(self, kid: str, now: datetime) -> None:
        for change in rotate_key(parse_keys([*self.documents.values()]), kid, {"kid": kid}, now=now, life=LIFE).changes:
            match change:
                case Insert(document=document):
                    assert document["_id"] not in self.documents
                    self.documents[document["_id"]] = dict(document)
                case Update(id=known, set=fields):
                    self.documents[known] |= fields
                case _:
                    raise AssertionError(change)

    def listed(self, now: datetime) -> set[str]:
        return {key["kid"] for key in jwks_document(parse_keys([*self.documents.values()]), now)["keys"]}


def test_after_five_rotations_all_keys_are_listed_until_their_last_tokens_have_expired() -> None:
    keys = Keys()
    for n in range(6):
        keys.rotate(f"k{n}", NOW + timedelta(hours=n))
    assert keys.listed(NOW + timedelta(hours=5)) == {f"k{n}" for n in range(6)}
    assert keys.listed(NOW + LIFE + timedelta(hours=1)) == {"k1", "k2", "k3", "k4", "k5"}
    assert keys.listed(NOW + timedelta(days=365)) == {"k5"}
    assert is_signing(parse_keys([*keys.documents.values()]), "k5")


def test_a_former_key_may_sign_again() -> None:
    keys = Keys()
    for n, kid in enumerate(("a", "b", "a")):
        keys.rotate(kid, NOW + timedelta(hours=n))
    assert keys.listed(NOW + timedelta(days=2)) == {"a"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), min_size=1, max_size=12))
def test_a_token_is_verifiable_for_all_of_its_life(history: list[tuple[str, int]]) -> None:
    keys, now, tokens = Keys(), NOW, []
    for kid, hours in history:
        keys.rotate(kid, now)
        tokens.append((kid, now))
        now += timedelta(hours=hours)
        # The key signs until it is replaced.
        tokens.append((kid, now))
        for signed_by, at in tokens:
            assert now >= at + LIFE or signed_by in keys.listed(now)
