"""What is wrong with a request, one thing at a time: the field, the rule, the remedy. (core)"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong: the field, the rule, the remedy. `is_sure`: it cannot be meant."""

    where: str
    rule: str
    remedy: str
    is_sure: bool = True

    def __str__(self) -> str:
        return f"'{self.where}': {self.rule}; {self.remedy}"


def unused_public(unused: Iterable[str], used: Iterable[str]) -> Complaint:
    """Return what to say of public aliases that no task names: a publisher would wait for ever for such a queue."""
    names = ", ".join(sorted(map(str, used))) or "none"
    rule = f"no task uses the public queue(s) {', '.join(map(str, unused))}"
    return Complaint("public_queue_aliases", rule, f"tasks use {names}")


def alias_problem(alias: str) -> tuple[str, str] | None:
    """Return the rule that an alias breaks wherever its queue is asked for, and the remedy; None: it breaks none."""
    if alias.isprintable():
        return None
    return f"the alias {alias!r} has characters that cannot be printed", "use letters, digits, '-' and '_'"
