"""A complaint about a request: the field, the rule and the remedy. (core)"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.rules.spelling import find_nearest

#: How many names a list in a message has at most.
_MAX_NAMES = 20
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Complaint:
    """One fault of a request: the field, the rule, the remedy. `is_sure`: it is certainly a mistake.

    `is_refused`: the gateway refuses the request for this fault. Otherwise the contract requires it to accept it.
    `phrase` is the contract's own text of the refusal, if it has one.
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
        """Return the text for the gateway's answer."""
        return self.phrase or str(self)


def join_complaints(found: Sequence[Complaint], max_characters: int) -> str:
    """Return the texts of `found`, joined by `; `: each once, as many as fit, and the number of those left out."""
    texts = list(dict.fromkeys(map(str, found)))
    n_used, n_left = 0, 0
    for n, text in enumerate(texts):
        n_used += len(text) + 2
        if n_used > max_characters - len("; and 99999 more") and n:
            n_left = len(texts) - n
            texts = texts[:n]
            break
    return "; ".join([*texts, *([f"and {n_left} more"] if n_left else [])])


def complain_of_unused(unused: Iterable[str], used: Iterable[str]) -> Complaint:
    """Return the complaint about public aliases that no task uses. Events in such a queue would wait for ever."""
    unused, used = [str(alias) for alias in unused], sorted(map(str, used))
    rule = f"no task uses the public queue(s) {list_names(unused)}"
    guesses = dict.fromkeys(_shorten_name(guess) for alias in unused if (guess := find_nearest(alias, used)))
    meant = f"did you mean {' and '.join(guesses)}? " if guesses else ""
    return Complaint("public_queue_aliases", rule, f"{meant}tasks use {list_names(used)}")


def _shorten_name(name: str) -> str:
    """Return a name in a form fit for a message: short, with unprintable characters escaped."""
    text = str(name) if str(name).isprintable() else repr(str(name))[1:-1]
    return text if len(text) <= _MAX_NAME else f"{text[:_MAX_NAME]}…"


def list_names(names: Sequence[str]) -> str:
    """Return `names` joined by commas; of many, only the first ones."""
    if not names:
        return "none"
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(map(_shorten_name, names[:_MAX_NAMES])) + more


def alias_problem(alias: str) -> tuple[str, str] | None:
    """Return the rule that `alias` breaks, and the remedy; None: it breaks none."""
    if alias.isprintable():
        return None
    return f"the alias {alias!r} has characters that cannot be printed", "use letters, digits, '-' and '_'"
