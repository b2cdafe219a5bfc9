"""Give memory back to the machine as soon as it is free.

glibc maps each large block by itself and unmaps it when it is free. But each freed block raises the size from which
glibc does so, up to 32 MiB. After some large answers glibc takes blocks of megabytes from the heap, where small blocks
that live longer hold them fast. So a service stays as large as it once was. Source: mallopt(3), M_MMAP_THRESHOLD.
"""

import ctypes

#: Numbers of glibc's parameters.
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_THRESHOLD_BYTES = 128 * 1024
#: Otherwise each thread gets a heap, up to eight for each core.
_N_ARENAS = 2


def return_large_blocks() -> bool:
    """Have blocks from 128 KiB on returned when they are freed. Return whether this C library can do so."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)) and bool(mallopt(_M_ARENA_MAX, _N_ARENAS))
