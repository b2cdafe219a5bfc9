"""Closed sets of stored or sent words that a newer version may have extended.

After a downgrade the database still holds words of the newer version. If a reader raised on one of them, it would stop
for all documents. So such a word becomes a member of its own, which equals no member that this version knows. Code that
decides by these words does nothing for it. Code that grants something must refuse it.
"""

from enum import StrEnum
from typing import Self

_MAX_LENGTH = 64


class StoredEnum(StrEnum):
    """An enumeration that accepts unknown words. `is_known` tells them apart, and iterating leaves them out."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or len(value) > _MAX_LENGTH:
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member

    def __reduce_ex__(self, proto: object) -> tuple[type[Self], tuple[str]]:
        # To copy a member, Python 3.11.2, which Debian 12 ships, looks for its name, and an unknown word has none.
        return type(self), (self._value_,)

    @property
    def is_known(self) -> bool:
        """Return whether this version knows the word."""
        return self._value_ in type(self)._value2member_map_
