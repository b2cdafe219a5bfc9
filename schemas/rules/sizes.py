"""Convert sizes of memory and disk from text to bytes and back: `512M`, `1.5 GB`, `2GiB`, `536870912`. (core)

All units are binary.
"""

import re

_SIZE = re.compile(r"\s*(?P<number>\d{1,15}(?:\.\d{1,9})?)\s*(?P<unit>[KMGTP]?)(?:i?B)?\s*", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}

#: The largest integer that every JSON reader keeps exact.
MAX_BYTES = 2**53

_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")


def parse_bytes(size: str | int) -> int:
    """Return `size` in bytes. An integer is a number of bytes. Units are powers of 1024, as in HTCondor.

    Raises:
        ValueError: `size` is not a size, is not positive, or is too large.
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


def print_size(n_bytes: float) -> str:
    """Return the size as a text for people, in powers of 1024 and with at most three digits: 512 MB, 1.5 GB."""
    unit = 0
    # From 999.5 on, the format with three digits would print 1e+03.
    while n_bytes >= 999.5 and unit < len(_UNITS) - 1:
        n_bytes, unit = n_bytes / 1024, unit + 1
    return f"{n_bytes:.3g} {_UNITS[unit]}"


def print_condor_size(n_bytes: int, smallest: str) -> str:
    """Return the size as a text for HTCondor (`512 MB`, in powers of 1024), rounded up to the unit `smallest`."""
    unit = _UNITS.index(smallest)
    amount = -(-n_bytes // 1024**unit)
    # HTCondor has no unit above TB.
    while amount % 1024 == 0 and unit < _UNITS.index("TB"):
        amount, unit = amount // 1024, unit + 1
    return f"{amount} {_UNITS[unit]}"


def print_setting(n_bytes: float) -> str:
    """Return the largest value of `worker_memory` or `worker_disk` that is at most `n_bytes`: 16G, 512M."""
    n_mb = int(n_bytes // 1024**2)
    return f"{n_mb // 1024}G" if n_mb >= 1024 and n_mb % 1024 == 0 else f"{n_mb}M"
