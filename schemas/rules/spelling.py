"""Which known word somebody has probably meant. (core)"""

import difflib
import re
from collections.abc import Iterable

#: From here on two words count as one with a slip.
_ALIKE = 0.75


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the one of `known` that is most like `word`, whatever its case and separators; empty: none is.

    Of two that differ in no more than that the first is taken.
    """
    by_core: dict[str, str] = {}
    for name in known:
        by_core.setdefault(_core(name), name)
    if (core := _core(word)) in by_core:
        return by_core[core]
    return next((by_core[found] for found in difflib.get_close_matches(core, by_core, 1, _ALIKE)), "")


def _core(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).upper()
