"""A process that had large blocks is as small afterwards as before."""

import subprocess
import sys

PROGRAM = """
import sys
from pathlib import Path
from runtime.free_memory import return_large_blocks

def mb():
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) // 1024

if sys.argv[1] == "returned":
    assert return_large_blocks()
before = mb()
for n_mb in (1, 2, 4, 8, 16, 31):
    block = b"x" * (n_mb * 1024**2)
    del block
large, small = [], []
for _ in range(60):
    large.append(b"x" * 4 * 1024**2)
    small.append([b"x" * 3000 for _ in range(2)])
del large
print(mb() - before)
"""


def test_large_blocks_that_are_free_are_given_back_though_small_ones_live_on() -> None:
    left_mb = {
        how: int(subprocess.check_output([sys.executable, "-c", PROGRAM, how], timeout=150))
        for how in ("returned", "as it is")
    }
    assert left_mb["returned"] < 10 < left_mb["as it is"], left_mb
