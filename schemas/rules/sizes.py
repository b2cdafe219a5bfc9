"""Sizes of memory and disk: what a user writes, as bytes. `512M`, `1.5 GB`, `2GiB` and `536870912` are all binary."""

import re

_SIZE = re.compile(r"\s*(?P<number>\d{1,15}(?:\.\d{1,9})?)\s*(?P<unit>[KMGTP]?)(?:i?B)?\s*", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}

#: The largest integer that every JSON reader keeps exact.
MAX_BYTES = 2**53


def parse_bytes(size: str | int) -> int:
    """Return `size` in bytes. An integer is bytes already; a unit counts in powers of 1024, as HTCondor's do.

    Raises:
        ValueError: `size` is not positive, too large, or no size.
    """
    if isinstance(size, int):
        n_bytes = size
    elif match := _SIZE.fullmatch(size):
        n_bytes = int(float(match["number"]) * 1024 ** _POWERS[match["unit"].upper()])
    else:
        raise ValueError("must be a number of bytes or a number with a unit, such as '512M' or '2 GB'")
    if not 0 < n_bytes <= MAX_BYTES:
        raise ValueError("must be a size of at least one byte and at most 2**53 bytes")
    return n_bytes
