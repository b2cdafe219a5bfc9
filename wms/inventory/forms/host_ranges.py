"""Read the places of hosts in a text: ranges such as `web[01:20]`, and ports such as `web1:2222`. (core)

db[a:c].example.org   db-[0:10:5]   ->   dba.example.org ...   db-0 db-5 db-10
"""

import re
from itertools import product

from schemas.automation.inventories import MAX_HOST_NAME_CHARACTERS, MAX_HOSTS
from schemas.errors import Rejected

_RANGE = re.compile(r"\[([0-9]{1,9}|[A-Za-z]):([0-9]{1,9}|[A-Za-z])(?::([0-9]{1,9}))?\]", re.ASCII)
_PORT = re.compile(r"(?P<name>[^:\s]+):(?P<port>[0-9]{1,5})", re.ASCII)


def split_port(text: str) -> tuple[str, int | None]:
    """Return the name in `text`, or the range of names, and its port; None: it has none. Ranges have colons, too."""
    bare = _RANGE.sub(lambda found: "r" * len(found[0]), text)
    found = _PORT.fullmatch(bare)
    return (text, None) if found is None else (text[: found.end("name")], int(found["port"]))


def expand_range(text: str) -> list[str]:
    """Return the names that a range of names means, in their order. A text without a range means itself.

    Raises:
        Rejected: the range goes backwards, or means too many or too long names.
    """
    parts: list[list[str]] = []
    n_names, at = 1, 0
    for found in _RANGE.finditer(text):
        steps = _count_range(found)
        n_names *= len(steps)
        if n_names > MAX_HOSTS:
            raise Rejected(f"the range {text[:80]!r} means more than {MAX_HOSTS} hosts")
        parts += [[text[at : found.start()]], [_write_step(found[1], each) for each in steps]]
        at = found.end()
    if not parts:
        return [text]
    parts.append([text[at:]])
    # The last step of a part is its longest.
    if sum(len(part[-1]) for part in parts) > MAX_HOST_NAME_CHARACTERS:
        raise Rejected(
            f"the range {text[:80]!r} means names of more than {MAX_HOST_NAME_CHARACTERS} characters; give shorter"
            " names, and another address in the variable ansible_host"
        )
    return ["".join(chosen) for chosen in product(*parts)]


def _count_range(found: re.Match[str]) -> range:
    first, last, step = found[1], found[2], int(found[3] or 1)
    if first.isdecimal() != last.isdecimal() or first.isupper() != last.isupper():
        raise Rejected(f"the range {found[0]!r} needs two numbers, or two letters of one case")
    if first.isdecimal() and first.startswith("0") and len(first) > 1 and len(first) != len(last):
        raise Rejected(f"the range {found[0]!r} begins with a zero, so both ends need as many digits")
    begin, end = (int(first), int(last)) if first.isdecimal() else (ord(first), ord(last))
    if step < 1 or end < begin:
        raise Rejected(f"the range {found[0]!r} goes from the smaller end to the greater one, by steps of 1 or more")
    return range(begin, end + 1, step)


def _write_step(first: str, value: int) -> str:
    if not first.isdecimal():
        return chr(value)
    return str(value).zfill(len(first)) if first.startswith("0") else str(value)
