"""A complaint about a request: the field, the rule and the remedy. Also helps with names in texts. (core)"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: The most names that a list in a text has.
_MAX_NAMES = 20
_MAX_NAME = 64

#: The most characters of complaints in the hint header of an answer.
_MAX_HINT = 1024

#: Two words with at least this similarity (0 to 1) count as the same word misspelled.
_ALIKE = 0.75


@dataclass(frozen=True, slots=True)
class Complaint:
    """One fault of a request: the field (`where`), the rule, the remedy. `is_sure`: it is certainly a mistake.

    `is_refused` means that the gateway refuses the request. If False, the contract requires the gateway to accept it.
    `phrase` is the contract's own text of the refusal, if the contract has one.
    """

    where: str
    rule: str
    remedy: str
    is_sure: bool = True
    is_refused: bool = False
    phrase: str = ""

    def __str__(self) -> str:
        return f"'{self.where}': {self.rule}; {self.remedy}" if self.where else f"{self.rule}; {self.remedy}"

    @property
    def answer(self) -> str:
        """The text for the gateway's answer."""
        return self.phrase or str(self)


def join_complaints(found: Sequence[Complaint]) -> str:
    """Return the texts of `found` as one hint, joined by `; `, each text once. If not all fit, it ends with how many
    are left out.
    """
    texts = list(dict.fromkeys(map(str, found)))
    n_used, n_left = 0, 0
    for n, text in enumerate(texts):
        n_used += len(text) + 2
        if n_used > _MAX_HINT - len("; and 99999 more") and n:
            n_left = len(texts) - n
            texts = texts[:n]
            break
    return "; ".join([*texts, *([f"and {n_left} more"] if n_left else [])])


def complain_of_unused(unused: Iterable[str], used: Iterable[str]) -> Complaint:
    """Return a complaint about public aliases that no task uses. Events in these queues would wait for ever."""
    unused, used = [str(alias) for alias in unused], sorted(map(str, used))
    rule = f"no task uses the public queue(s) {list_names(unused)}"
    guesses = dict.fromkeys(_shorten_name(guess) for alias in unused if (guess := find_nearest(alias, used)))
    meant = f"did you mean {' and '.join(guesses)}? " if guesses else ""
    return Complaint("public_queue_aliases", rule, f"{meant}tasks use {list_names(used)}")


def _shorten_name(name: str) -> str:
    """Return a name for a text: shortened, and with unprintable characters escaped."""
    text = str(name) if str(name).isprintable() else repr(str(name))[1:-1]
    return text if len(text) <= _MAX_NAME else f"{text[:_MAX_NAME]}…"


def list_names(names: Sequence[str]) -> str:
    """Return `names` joined by commas. If there are many, return the first names and how many more there are."""
    if not names:
        return "none"
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(map(_shorten_name, names[:_MAX_NAMES])) + more


def find_nearest(word: str, known: Iterable[str]) -> str:
    """Return the word in `known` that is most similar to `word`. Return "" if no word is similar.

    Case and separators do not matter. If two known words differ only in these, the first of them counts.
    """
    by_core: dict[str, str] = {}
    for name in known:
        by_core.setdefault(_strip_word(name), name)
    if (core := _strip_word(word)) in by_core:
        return by_core[core]
    return next((by_core[found] for found in difflib.get_close_matches(core, by_core, 1, _ALIKE)), "")


def _strip_word(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).upper()


def alias_problem(alias: str) -> tuple[str, str] | None:
    """Return the rule that `alias` breaks, and the remedy. Return None if it breaks no rule."""
    if alias.isprintable():
        return None
    return f"the alias {alias!r} has characters that cannot be printed", "use letters, digits, '-' and '_'"
