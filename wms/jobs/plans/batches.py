"""Split the hosts of a job into batches, as `serial` says: numbers of hosts, or percentages of all. (core)

10 hosts, serial (1, "20%", 5)  ->  (1, 2, 5, 2)        the last size counts until no host is left
"""

import re
from collections.abc import Sequence

from schemas.automation.jobs import MAX_SERIAL
from schemas.errors import Rejected

_SIZE = re.compile(r"([0-9]{1,9})(%?)")
_REMEDY = 'write numbers of hosts or percentages: [1, "20%"]'


def split_hosts(n_hosts: int, serial: Sequence[int | str]) -> tuple[int, ...]:
    """Return the sizes of the batches of `n_hosts` hosts. Without `serial` there is one.

    A percentage is one of all hosts. It is rounded down, and means at least one host.

    Raises:
        Rejected: an item of `serial` is no size, or there are too many.
    """
    if len(serial) > MAX_SERIAL:
        raise Rejected(f"'serial': has {len(serial)} items, and may have {MAX_SERIAL}", hint=_REMEDY)
    sizes = [_read_size(item, n_hosts) for item in serial] or [n_hosts]
    batches: list[int] = []
    left = n_hosts
    while left > 0:
        size = min(sizes[min(len(batches), len(sizes) - 1)], left)
        batches.append(size)
        left -= size
    return tuple(batches)


def _read_size(item: int | str, n_hosts: int) -> int:
    if isinstance(item, int) and not isinstance(item, bool) and item >= 1:
        return item
    if isinstance(item, str):
        found = _SIZE.fullmatch(item)
        number = int(found[1]) if found is not None else 0
        if found is not None and found[2] and 1 <= number <= 100:
            return max(1, n_hosts * number // 100)
        if found is not None and not found[2] and number >= 1:
            return number
    raise Rejected(f"'serial': {item!r} is neither a number of hosts from 1 on nor a percentage", hint=_REMEDY)


def find_batches(batches: Sequence[int]) -> list[int]:
    """Return for each host, in their order, the number of its batch."""
    return [number for number, size in enumerate(batches) for _ in range(size)]
