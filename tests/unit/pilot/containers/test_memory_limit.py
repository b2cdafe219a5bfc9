"""A worker over its memory loses the container that uses most, and nothing else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.containers.memory_limit import MemoryExcess, ProcessMemory, find_excess
from pilot.containers.memory_watch import count_kernel_kills
from pilot.failures.container_failures import worker_memory_exceeded
from pilot.failures.exit_codes import MIB, round_bytes

#: The pilot (1) with two containers (10, 20), the second with a child and a grandchild.
PROCESSES = {
    1: ProcessMemory(0, 30),
    10: ProcessMemory(1, 100),
    20: ProcessMemory(1, 10),
    21: ProcessMemory(20, 60),
    22: ProcessMemory(21, 60),
}


def test_what_a_container_has_started_counts_to_it() -> None:
    assert find_excess(PROCESSES, [10, 20], 259) == MemoryExcess(20, 260)


def test_a_worker_that_uses_just_what_it_may_is_left_alone() -> None:
    assert find_excess(PROCESSES, [10, 20], 260) is None


def test_a_pilot_without_containers_has_nothing_to_end() -> None:
    assert find_excess(PROCESSES, [], 1) is None
    assert find_excess({1: ProcessMemory(0, 500)}, [10], 100) is None, "it ended while the pilot looked"


def test_processes_that_seem_to_be_their_own_ancestors_end_nothing_and_hold_nobody_up() -> None:
    circle = {5: ProcessMemory(6, 100), 6: ProcessMemory(5, 100), 10: ProcessMemory(1, 1)}
    assert find_excess(circle, [10], 50) == MemoryExcess(10, 201)


@given(
    st.dictionaries(st.integers(1, 8), st.builds(ProcessMemory, st.integers(0, 8), st.integers(0, 100)), max_size=8),
    st.sets(st.integers(1, 8)),
    st.integers(0, 800),
)
def test_a_container_goes_only_if_the_limit_is_passed(
    processes: dict[int, ProcessMemory], containers: set[int], limit: int
) -> None:
    excess = find_excess(processes, containers, limit)
    if excess is not None:
        assert excess.pid in containers
        assert excess.n_bytes == sum(process.n_bytes for process in processes.values()) > limit


@pytest.mark.parametrize(
    ("n_bytes", "n_mib"), [(1, 1), (99 * MIB, 99), (612 * MIB, 620), (610 * MIB, 610), (12_345 * MIB, 13_000)]
)
def test_sizes_are_told_so_that_errors_of_one_kind_have_one_text(n_bytes: int, n_mib: int) -> None:
    assert round_bytes(n_bytes) == n_mib * MIB


def test_the_failure_names_what_was_used_what_may_be_and_what_to_do() -> None:
    assert str(worker_memory_exceeded(612 * MIB, 512 * MIB)) == (
        "WorkerMemoryExceeded('the worker used 620 MB, worker_memory is 512 MB: "
        "raise worker_memory, or give each event less to do')"
    )


@pytest.mark.parametrize(
    ("groups", "file", "content"),
    [
        ("0::/job.scope\n", "job.scope/memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n"),
        ("0::/elsewhere\n", "memory.events", "oom_kill 2\n"),
        ("9:name=systemd:/\n4:memory:/a/b\n0::/\n", "memory/a/b/memory.oom_control", "under_oom 0\noom_kill 2\n"),
        ("4:cpu,memory:/a/b\n", "memory/memory.oom_control", "oom_kill_disable 0\noom_kill 2\n"),
    ],
)
def test_the_kernels_own_kills_are_counted_in_either_kind_of_control_group(
    tmp_path: Path, groups: str, file: str, content: str
) -> None:
    (tmp_path / "cgroup").write_text(groups)
    root = tmp_path / "sys"
    (root / file).parent.mkdir(parents=True)
    assert count_kernel_kills(str(tmp_path / "cgroup"), str(root)) == 0
    (root / file).write_text(content)
    assert count_kernel_kills(str(tmp_path / "cgroup"), str(root)) == 2
