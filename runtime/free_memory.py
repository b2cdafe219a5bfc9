"""Return memory to the machine as soon as it is free.

glibc maps each large block separately, and unmaps the block when the program frees it. But each freed block raises the
size from which glibc maps separately, up to 32 MiB. After some large answers glibc takes blocks of megabytes from the
heap. There, small blocks that are still in use prevent their return to the machine, so the service keeps its largest
size. Source: mallopt(3), M_MMAP_THRESHOLD.
"""

import ctypes

#: glibc's numbers for its parameters.
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_THRESHOLD_BYTES = 128 * 1024
#: How many heaps glibc may have. By default each thread gets one, up to eight for each core.
_N_ARENAS = 2


def return_large_blocks() -> bool:
    """Make glibc return freed blocks of 128 KiB or more to the machine. Return whether this C library can do that."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)) and bool(mallopt(_M_ARENA_MAX, _N_ARENAS))
