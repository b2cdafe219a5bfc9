"""Choose the unprivileged accounts that a launch gets when root starts it. (core)

    0   root         is root among these accounts only: starts HTCondor's daemons, or TMS with the local pool
    1   ewms         TMS with HTCondor; the jobs' owner
    2   condor       HTCondor's daemons
    3   ewms-builder builds of catalogue tasks
    11… ewms-slot1…  users' tasks: one account for each slot, so that no task reads another's files

The machine's `/etc/passwd` names none of these accounts. Their ids on the machine are one range of ids that belong to
no account of the machine.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

#: How many ids a launch takes; enough for a thousand slots.
N_IDS = 1024
ROOT, TMS, CONDOR, BUILDER = 0, 1, 2, 3
FIRST_SLOT = 11
N_SLOTS = 256

_PREFERRED = 1 << 30
_HIGHEST = (1 << 31) - 1
_LOWEST = 2_000

#: Consecutive ids: the first one, and their number.
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of one launch; `first_id` is the machine's id of account 0."""

    first_id: int

    def machine_id(self, account: int) -> int:
        """Return the machine's id of `account`."""
        return self.first_id + account


def choose_first_id(usable: Iterable[Span], taken: Iterable[Span], draw: Callable[[Sequence[int]], int]) -> int | None:
    """Choose `N_IDS` consecutive ids within one span of `usable` and outside of all spans of `taken`. Return the first
    id.

    `draw` chooses at random among the possible ranges, so that two launches hardly ever share ids. High ids are
    preferred. Return None if there is no such range.
    """
    spans = list(taken)
    for lowest, highest in ((_PREFERRED, _HIGHEST), (_LOWEST, _PREFERRED - 1)):
        free = [
            first
            for begin, count in usable
            for first in _range_starts(max(begin, lowest), min(begin + count, highest + 1))
            if not any(first < start + n and start < first + N_IDS for start, n in spans)
        ]
        if free:
            return draw(free)
    return None


def _range_starts(begin: int, end: int) -> range:
    """Return the multiples of `N_IDS` from `begin` on at which a whole range fits before `end`. Return a few thousand
    at most.
    """
    first = -(-begin // N_IDS) * N_IDS
    n_whole = max(0, (end - first) // N_IDS)
    step = max(1, n_whole // 4096)
    return range(first, first + n_whole * N_IDS, step * N_IDS)


def spans_of_map(text: str) -> list[Span]:
    """Return the ids that a process may use, as pairs of the first id and their number.

    `text` is the content of its `/proc/self/uid_map` or `gid_map`.
    """
    return [(int(inside), int(count)) for inside, _, count in (line.split() for line in text.splitlines())]


def spans_of_accounts(text: str) -> list[Span]:
    """Return the ids in `text`, the content of `/etc/passwd` or `/etc/group`."""
    ids = (line.split(":")[2] for line in text.splitlines() if line.count(":") >= 3)
    return [(int(one), 1) for one in ids if one.isdecimal()]


def spans_of_subordinates(text: str) -> list[Span]:
    """Return the ids that `text`, the content of `/etc/subuid` or `/etc/subgid`, gives to accounts."""
    fields = (line.split(":") for line in text.splitlines() if line.count(":") == 2)
    return [(int(first), int(count)) for _, first, count in fields if first.isdecimal() and count.isdecimal()]


def passwd_text() -> str:
    """Return the `/etc/passwd` that these accounts see."""
    return "".join(f"{name}:x:{number}:{number}::/nonexistent:/bin/sh\n" for name, number in _list_names())


def group_text() -> str:
    """Return the `/etc/group` that these accounts see."""
    return "".join(f"{name}:x:{number}:\n" for name, number in _list_names())


def slot_name(n: int) -> str:
    """Return the name of the account of slot `n`, from 1 on."""
    return f"ewms-slot{n}"


def _list_names() -> list[tuple[str, int]]:
    slots = [(slot_name(n), FIRST_SLOT + n - 1) for n in range(1, N_SLOTS + 1)]
    return [("root", ROOT), ("ewms", TMS), ("condor", CONDOR), ("ewms-builder", BUILDER), *slots, ("nobody", 65534)]
