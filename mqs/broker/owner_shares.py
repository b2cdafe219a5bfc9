"""Limit the bytes of events that each owner has on the broker. (core)

A queue has its own limit of bytes, but an owner may have thousands of queues. If all queues of an owner together exceed
its share, MQS makes them full: the broker refuses new events, as it does for any full queue, and keeps the events that
it has. The queues take events again once the owner is below 90% of its share.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.ids import Mqid

#: An owner's queues take events again below this part of its share.
_LET_IN = 0.9

#: The most characters in a pattern of names. RabbitMQ 4.3.6 accepts 883 characters, and refuses 1043 as "too long".
MOST_PATTERN = 880

#: Prefix of the names of policies for full queues.
FULL_POLICY = "ewms-full."


@dataclass(frozen=True, slots=True)
class OwnerShare:
    """The bytes and the queues of one owner on the broker."""

    n_bytes: int
    mqids: tuple[Mqid, ...]


def find_owners_over(held: Mapping[str, OwnerShare], before: Collection[str], *, max_bytes: int) -> frozenset[str]:
    """Return the owners whose queues must refuse new events now. `held` is what the queues of each owner hold.

    Such an owner has `max_bytes` or more. An owner in `before`, whose queues refuse events already, stays in until it
    has less than 90 % of that.
    """
    return frozenset(
        owner
        for owner, mine in held.items()
        if mine.n_bytes >= max_bytes or (owner in before and mine.n_bytes > _LET_IN * max_bytes)
    )


def full_patterns(mqids: Iterable[Mqid]) -> dict[str, str]:
    """Return policy name -> pattern, so that the patterns match exactly `mqids`. Equal queues give equal names."""
    patterns = (name_pattern(handful) for handful in split_names(sorted(mqids)))
    return {f"{FULL_POLICY}{hashlib.sha256(each.encode()).hexdigest()[:16]}": each for each in patterns}


def name_pattern(names: Iterable[str]) -> str:
    """Return a regular expression for names of queues. It matches each of `names`, which have no special characters but
    dots.

    The dots are not escaped, so a dot also matches any other character.
    """
    return f"^({'|'.join(names)})$"


def split_names(names: Sequence[str]) -> Iterator[list[str]]:
    """Yield `names` in parts that each fit into one pattern."""
    handful: list[str] = []
    length = len(name_pattern([]))
    for name in names:
        if handful and length + len(name) + 1 > MOST_PATTERN:
            yield handful
            handful, length = [], len(name_pattern([]))
        handful.append(name)
        length += len(name) + 1
    if handful:
        yield handful
