"""Give memory back to the machine as soon as it is free.

glibc maps large blocks each by themselves and unmaps them when they are free. But each one that is freed raises the
size from which it does so, up to 32 MiB. After some large answers it takes blocks of megabytes from the heap, where
small ones that live longer hold them fast: a service stays as large as it once was.
Source: mallopt(3), M_MMAP_THRESHOLD.
"""

import ctypes

#: Numbers of glibc's parameters.
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_THRESHOLD_BYTES = 128 * 1024
#: Threads get a heap each otherwise, up to eight for each core.
_N_ARENAS = 2


def return_large_blocks() -> bool:
    """Have blocks from 128 KiB on returned when they are freed. Return whether this C library can do so."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)) and bool(mallopt(_M_ARENA_MAX, _N_ARENAS))
