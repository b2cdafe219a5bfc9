"""Guess which known word a misspelled one means. (core)"""

import difflib
import re
from collections.abc import Iterable

#: Two words with at least this similarity (0 to 1) count as the same word misspelled.
_ALIKE = 0.75


def find_nearest(word: str, known: Iterable[str]) -> str:
    """Return the word in `known` that is most similar to `word`, ignoring case and separators; empty: none is similar.

    If two known words differ only in case and separators, the first one counts.
    """
    by_core: dict[str, str] = {}
    for name in known:
        by_core.setdefault(_strip_word(name), name)
    if (core := _strip_word(word)) in by_core:
        return by_core[core]
    return next((by_core[found] for found in difflib.get_close_matches(core, by_core, 1, _ALIKE)), "")


def _strip_word(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).upper()
