"""Enumerations of stored or sent words, to which a newer version may have added words.

After a downgrade the database still has words of the newer version. If a reader raised an error for such a word, it
could not read the other documents. So an unknown word becomes a new member, which equals no member that this version
knows. Code that decides by these words must do nothing for an unknown word. Code that grants a right must refuse it.
"""

from enum import StrEnum
from typing import Self, TypeVar

_MAX_LENGTH = 64


class StoredEnum(StrEnum):
    """An enumeration that accepts unknown words. `is_known` is False for such words, and iteration leaves them out."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or len(value) > _MAX_LENGTH:
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member

    def __reduce_ex__(self, proto: object) -> tuple[type[Self], tuple[str]]:
        # To copy a member, Python 3.11.2 (in Debian 12) looks for its name, and an unknown word has none.
        return type(self), (self._value_,)

    @property
    def is_known(self) -> bool:
        """Whether this version knows the word."""
        return self._value_ in type(self)._value2member_map_


Word = TypeVar("Word", bound=StoredEnum)


def check_known(word: Word) -> Word:
    """Return `word`. Models of requests use this as a validator.

    Raises:
        ValueError: this version does not know the word. The message names the known ones.
    """
    if not word.is_known:
        raise ValueError(f"must be one of {', '.join(type(word))}")
    return word
