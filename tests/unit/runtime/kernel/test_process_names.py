import subprocess
import sys

import pytest

from runtime.kernel.process_names import describe_process, has_ended


def test_a_process_that_runs_has_not_ended() -> None:
    assert not has_ended(describe_process())


def test_a_child_that_is_gone_has_ended() -> None:
    program = "from runtime.kernel.process_names import describe_process; print(describe_process())"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert has_ended(child.stdout.strip())


def test_another_process_with_the_pid_of_one_that_ended_is_not_that_one() -> None:
    machine, _, _ = describe_process().rpartition("/")
    assert has_ended(f"{machine}/1")


@pytest.mark.parametrize("name", ["", "a/b/1/2", "a", "///", "a/b/../2"])
def test_a_process_elsewhere_cannot_be_seen_so_it_has_not_ended(name: str) -> None:
    assert not has_ended(name)
