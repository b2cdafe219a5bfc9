"""Secrets are stored encrypted, by the first key; every key reads them."""

import pytest

from schemas.errors import Broken
from wms.encryption import NoKey, SecretKeys, is_sealed, make_key


def test_a_secret_is_read_back_and_not_seen_as_stored() -> None:
    keys = SecretKeys([make_key()])
    stored = keys.encrypt("correct-horse é")
    assert stored.startswith("fernet:")
    assert "correct" not in stored
    assert keys.decrypt(stored) == "correct-horse é"
    assert keys.encrypt("a") != keys.encrypt("a"), "equal secrets must not look equal"


def test_a_new_key_in_front_reads_old_secrets_and_the_old_key_does_not_read_new_ones() -> None:
    old, new = make_key(), make_key()
    stored = SecretKeys([old]).encrypt("x")
    both = SecretKeys([new, old])
    assert both.decrypt(stored) == "x"
    again = both.encrypt(both.decrypt(stored))
    assert SecretKeys([new]).decrypt(again) == "x"
    with pytest.raises(Broken, match="fits no key"):
        SecretKeys([old]).decrypt(again)


def test_the_first_key_is_told_from_the_others() -> None:
    old, new = make_key(), make_key()
    both = SecretKeys([new, old])
    assert both.has_first_key(both.seal({"a": 1}))
    for stored in (SecretKeys([old]).seal("x"), "fernet:none", "plain", None, 5):
        assert not both.has_first_key(stored), stored
    assert SecretKeys([old]).has_first_key(SecretKeys([old]).seal("x"))
    assert not SecretKeys([]).has_first_key(both.seal("x"))


def test_without_a_key_no_secret_is_stored_and_the_error_says_how_to_make_one() -> None:
    with pytest.raises(NoKey) as caught:
        SecretKeys([]).encrypt("x")
    assert "python -m wms.encryption" in caught.value.hint
    with pytest.raises(ValueError, match="Fernet"):
        SecretKeys(["no key"])


def test_values_of_any_type_are_sealed_by_their_names_and_nothing_else_is_unsealed() -> None:
    keys = SecretKeys([make_key()])
    values = {"pw": "correct-horse", "pin": 1234, "map": {"a": [None]}, "a": "open"}
    sealed = keys.seal_values(values, {"pw", "pin", "map"})
    assert all(is_sealed(sealed[name]) for name in ("pw", "pin", "map"))
    assert "correct" not in repr(sealed)
    assert sealed["a"] == "open"
    assert keys.unseal_values(sealed, sealed.keys()) == values
    assert keys.unseal_values(sealed, ())["pw"] == sealed["pw"]
    # A text that looks like a sealed one is sealed, too.
    assert keys.unseal(keys.seal(sealed["pw"])) == sealed["pw"]


def test_without_a_key_values_stay_as_they_are_and_sealed_ones_cannot_be_read() -> None:
    none = SecretKeys([])
    assert none.seal_values({"pw": "x"}, {"pw"}) == none.unseal_values({"pw": "x"}, {"pw"}) == {"pw": "x"}
    with pytest.raises(NoKey):
        none.unseal_values(SecretKeys([make_key()]).seal_values({"pw": "x"}, {"pw"}), {"pw"})
