"""Encrypt the secrets that users give to WMS before MongoDB keeps them.

    fernet:gAAAAABn...      a text as it is stored; Fernet is AES-128-CBC with an HMAC
    fernet-json:gAAAA...    any other value, as JSON

The first key of the settings encrypts. All keys decrypt, so a new key can come before the old one goes.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from schemas.errors import Broken, Rejected

_MARK, _JSON_MARK = "fernet:", "fernet-json:"
_REMEDY = "set EWMS_SECRET_KEYS of WMS to a list of Fernet keys; `python -m wms.encryption` makes one"


class NoKey(Rejected):
    """WMS must store or read a secret, but its settings have no key for secrets."""


class SecretKeys:
    """The keys with which one WMS encrypts secrets. It encrypts with the first, and decrypts with any."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises ValueError if one of `keys` is no Fernet key."""
        #: Whether older secrets may have been encrypted with another key than the first.
        self.has_old_keys = len(keys) > 1
        self.has_keys = bool(keys)
        self._keys = MultiFernet([Fernet(key) for key in keys]) if keys else None
        self._first = SecretKeys(keys[:1]) if self.has_old_keys else self

    def encrypt(self, text: str) -> str:
        """Return `text` encrypted with the first key.

        Raises:
            NoKey: the settings have no key.
        """
        if self._keys is None:
            raise NoKey("this server has no key to store secrets with", hint=_REMEDY)
        return _MARK + self._keys.encrypt(text.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """Return the text that `encrypt` has made `stored` from.

        Raises:
            NoKey: the settings have no key.
            Broken: none of the keys fits.
        """
        if self._keys is None:
            raise NoKey("this server has no key to read its secrets with", hint=_REMEDY)
        try:
            return self._keys.decrypt(stored.removeprefix(_MARK).encode()).decode()
        except InvalidToken:
            raise Broken(
                "a stored secret fits no key of this server", hint="give back its key, or the secret"
            ) from None

    def seal(self, value: Any) -> str:
        """Return a secret of any JSON type as it may be stored.

        Raises:
            NoKey: the settings have no key.
        """
        if isinstance(value, str):
            return self.encrypt(value)
        return _JSON_MARK + self.encrypt(json.dumps(value)).removeprefix(_MARK)

    def unseal(self, stored: Any) -> Any:
        """Return the value that `seal` has made `stored` from. Values from before there was `seal` stay as they are.

        Raises:
            NoKey: the settings have no key.
            Broken: none of the keys fits.
        """
        if not is_sealed(stored):
            return stored
        text = self.decrypt(stored.removeprefix(_JSON_MARK))
        return json.loads(text) if stored.startswith(_JSON_MARK) else text

    def has_first_key(self, stored: Any) -> bool:
        """Return whether `seal` has made `stored` with the first key."""
        if not is_sealed(stored):
            return False
        try:
            self._first.unseal(stored)
        except (NoKey, Broken):
            return False
        return True

    def seal_values(self, values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
        """Return what a run leaves, with the values of the keys `names` sealed. Without a key of the settings they stay
        as they are: then the run began without a sealed secret.
        """
        is_possible = self._keys is not None
        return {key: self.seal(value) if is_possible and key in names else value for key, value in values.items()}

    def unseal_values(self, values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
        """Return `values` with those of the keys `names` readable.

        Raises:
            NoKey: the settings have no key.
            Broken: none of the keys fits.
        """
        return {key: self.unseal(value) if key in names else value for key, value in values.items()}


def is_sealed(value: Any) -> bool:
    """Return whether `seal` has made a stored value."""
    return isinstance(value, str) and value.startswith((_MARK, _JSON_MARK))


def make_key() -> str:
    """Return a new random key, as text."""
    return Fernet.generate_key().decode()


if __name__ == "__main__":
    print(make_key())  # noqa: T201 - for the settings
