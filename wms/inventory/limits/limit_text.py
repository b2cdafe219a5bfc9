"""Read a limit, the expression that chooses hosts of an inventory. (core)

    web*:&label=prod:!db1

A limit is a list of terms between `:` or `,`. A term means all hosts that it names; with `&` in front, only these stay;
with `!` in front, these go. The order of the terms changes nothing: first the plain terms together, then `&`, then `!`.
Without a plain term, all hosts are there first. So does Ansible.

    web1  web  all  ungrouped     a host by its name, or the hosts of a group
    web*  db[ab]?  *              the same by a pattern of their names
    label=prod  label=rack-*      the hosts with a label
    web[0]  web[-1]  web[0:4]     some of the hosts that the part before `[` names, counted from 0; the end is included
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from schemas.automation.inventories import MAX_LIMIT_CHARACTERS
from schemas.errors import Rejected

_LABEL_PREFIX = "label="
_SUBSCRIPT = re.compile(r"(?P<body>.+)\[(?P<first>-?[0-9]{1,6})(?P<slice>[:-](?P<last>[0-9]{0,6}))?\]", re.ASCII)
_BODY = re.compile(r"[A-Za-z0-9_.*?\[\]!-]+", re.ASCII)
#: Each term may look at all names of an inventory.
_MAX_TERMS = 50


class LimitRefused(Rejected):
    """The limit is none, or it chooses no host."""


class TermKind(StrEnum):
    """What a term does with the hosts that it names."""

    ADD = ""
    KEEP = "&"
    REMOVE = "!"


@dataclass(frozen=True, slots=True)
class Subscript:
    """Some of a list: from `first` to `last`, both included. Without a `last`, all to the end."""

    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class LimitTerm:
    """One term of a limit."""

    kind: TermKind
    #: A name, or a pattern of names.
    pattern: str
    is_label: bool
    subscript: Subscript | None = None

    @property
    def is_glob(self) -> bool:
        """Return whether the pattern may match several names, or none."""
        return any(char in self.pattern for char in "*?[")


def parse_limit(text: str) -> list[LimitTerm]:
    """Return the terms of a limit. An empty one has none.

    Raises:
        LimitRefused: the text is no limit.
    """
    if len(text) > MAX_LIMIT_CHARACTERS:
        raise LimitRefused(
            f"a limit has at most {MAX_LIMIT_CHARACTERS} characters", hint="give the hosts a label, and name that"
        )
    terms = [_parse_term(part.strip()) for part in _split_terms(text) if part.strip()]
    if text.strip() and not terms:
        raise LimitRefused(f"{text!r}: there is no term in this limit", hint="an empty limit chooses all hosts")
    if len(terms) > _MAX_TERMS:
        raise LimitRefused(f"a limit has at most {_MAX_TERMS} terms", hint="give the hosts a label, and name that")
    return terms


def _split_terms(text: str) -> Iterator[str]:
    """Yield the parts between `:` and `,` that stand outside of brackets."""
    begin, depth = 0, 0
    for at, char in enumerate(text):
        if char == "[":
            depth += 1
        elif char == "]":
            depth = max(0, depth - 1)
        elif char in ":," and not depth:
            yield text[begin:at]
            begin = at + 1
    yield text[begin:]


def _parse_term(text: str) -> LimitTerm:
    kind = TermKind(text[0]) if text[0] in "&!" else TermKind.ADD
    rest = text.removeprefix(kind.value).strip()
    if rest.startswith("~"):
        raise LimitRefused(
            f"{text!r}: a limit has no regular expressions", hint="use a pattern as web* or web[0-9]?, or a label"
        )
    is_label = rest.startswith(_LABEL_PREFIX)
    rest = rest.removeprefix(_LABEL_PREFIX)
    subscript = None
    if found := _SUBSCRIPT.fullmatch(rest):
        rest, subscript = found["body"], _read_subscript(text, found)
    if not _BODY.fullmatch(rest):
        raise LimitRefused(
            f"{text!r}: this is no name and no pattern of names",
            hint="write a limit like web*:&label=prod:!db1",
        )
    return LimitTerm(kind, rest, is_label, subscript)


def _read_subscript(text: str, found: re.Match[str]) -> Subscript:
    first = int(found["first"])
    if found["slice"] is None:
        return Subscript(first, first)
    if first < 0:
        raise LimitRefused(f"{text!r}: a range begins at 0 or later", hint="a single [-1] means the last host")
    return Subscript(first, int(found["last"]) if found["last"] else None)
