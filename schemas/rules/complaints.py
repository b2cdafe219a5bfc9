"""What is wrong with a request, one thing at a time: the field, the rule, the remedy. (core)"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.rules.spelling import nearest

#: A list of names in a message has so many at most.
_MAX_NAMES = 20
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong: the field, the rule, the remedy. `is_sure`: it cannot be meant.

    `is_refused`: the gateway refuses the request for it; without, the contract makes it take the request. `phrase` is
    how the contract words a refusal, where it does.
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
        """Return it as the gateway's answer has it."""
        return self.phrase or str(self)


def join_complaints(found: Sequence[Complaint], max_characters: int) -> str:
    """Return the texts of `found`, `; ` between them: each once, whole ones only, and how many more there are."""
    texts = list(dict.fromkeys(map(str, found)))
    n_used, n_left = 0, 0
    for n, text in enumerate(texts):
        n_used += len(text) + 2
        if n_used > max_characters - len("; and 99999 more") and n:
            n_left = len(texts) - n
            texts = texts[:n]
            break
    return "; ".join([*texts, *([f"and {n_left} more"] if n_left else [])])


def unused_public(unused: Iterable[str], used: Iterable[str]) -> Complaint:
    """Return what to say of public aliases that no task names: a publisher would wait for ever for such a queue."""
    unused, used = [str(alias) for alias in unused], sorted(map(str, used))
    rule = f"no task uses the public queue(s) {list_names(unused)}"
    guesses = dict.fromkeys(_shown(guess) for alias in unused if (guess := nearest(alias, used)))
    meant = f"did you mean {' and '.join(guesses)}? " if guesses else ""
    return Complaint("public_queue_aliases", rule, f"{meant}tasks use {list_names(used)}")


def _shown(name: str) -> str:
    """Return a name as it may stand in a message: short, with what cannot be printed written out."""
    text = str(name) if str(name).isprintable() else repr(str(name))[1:-1]
    return text if len(text) <= _MAX_NAME else f"{text[:_MAX_NAME]}…"


def list_names(names: Sequence[str]) -> str:
    """Return `names` with commas between them; of many the first only."""
    if not names:
        return "none"
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(map(_shown, names[:_MAX_NAMES])) + more


def alias_problem(alias: str) -> tuple[str, str] | None:
    """Return the rule that an alias breaks wherever its queue is asked for, and the remedy; None: it breaks none."""
    if alias.isprintable():
        return None
    return f"the alias {alias!r} has characters that cannot be printed", "use letters, digits, '-' and '_'"
