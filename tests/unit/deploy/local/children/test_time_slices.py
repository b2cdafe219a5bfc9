"""What is started with short time slices has them, and the thread that starts it keeps its own."""

import platform
import subprocess
import sys

import pytest

from deploy.local.children.time_slices import short_time_slices

_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}
_PRINT_SLICE = """
import ctypes, struct
found = ctypes.create_string_buffer(48)
ctypes.CDLL(None).syscall({number}, 0, found, 48, 0)
print(struct.unpack("IIQiIQQQ", found.raw)[5])
"""


def _slice_of_child_ns() -> int:
    script = _PRINT_SLICE.format(number=_SCHED_GETATTR[platform.machine()])
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.machine() not in _SCHED_GETATTR, reason="the system call's number is not known")
def test_children_have_the_shortest_slices_and_later_ones_the_usual() -> None:
    before_ns = _slice_of_child_ns()
    with short_time_slices():
        inside_ns = _slice_of_child_ns()
    assert _slice_of_child_ns() == before_ns
    # A kernel before 6.12 has no slices of a process's own.
    assert inside_ns == (100_000 if before_ns else 0)
