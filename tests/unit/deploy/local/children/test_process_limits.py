"""How many files servers may have open, whatever the shell gives."""

import resource
import subprocess
import sys

import pytest

_LOOK = """
import resource
from deploy.local.children.process_limits import allow_many_files
allow_many_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


#: An ordinary user cannot raise the hard limit again.
_HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
_MOST = 18_000 if _HARD == resource.RLIM_INFINITY else min(18_000, _HARD)


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [(256, 1000, 1000), (256, _MOST, min(_MOST, 16_384)), (_MOST, _MOST, _MOST), (1000, 1000, 1000)],
)
def test_the_soft_limit_is_raised_as_far_as_it_may_be_and_never_lowered(soft: int, hard: int, then: int) -> None:
    limited = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" -c "$1"'
    done = subprocess.run(["/bin/sh", "-c", limited, sys.executable, _LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(then), str(hard)]


def test_a_crash_writes_no_memory_to_disk_and_a_task_may_have_it_otherwise() -> None:
    look = (
        "import resource; from deploy.local.children.process_limits import forbid_core_dumps as f; "
        "f(); print(*resource.getrlimit(4))"
    )
    before = resource.getrlimit(resource.RLIMIT_CORE)
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", str(before[1])]
