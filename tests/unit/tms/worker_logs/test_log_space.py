"""Which logs go when they take too much of the disk."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tms.worker_logs.log_space import KeptLogs, choose_to_remove

kept = st.builds(
    KeptLogs, st.integers(0, 99).map(lambda n: Path(str(n))), st.integers(0, 50), st.floats(0, 9), st.booleans()
)


def test_the_oldest_go_until_the_others_fit() -> None:
    old, older, young = (KeptLogs(Path(name), 10, at) for name, at in (("old", 2.0), ("older", 1.0), ("young", 3.0)))
    assert choose_to_remove([old, young, older], max_bytes=30) == []
    assert choose_to_remove([old, young, older], max_bytes=29) == [older]
    assert choose_to_remove([old, young, older], max_bytes=0) == [older, old, young]


@given(st.lists(kept), st.integers(0, 100))
def test_what_is_busy_stays_and_the_others_go_as_far_as_needed(found: list[KeptLogs], max_bytes: int) -> None:
    gone = choose_to_remove(found, max_bytes=max_bytes)
    assert not any(one.is_busy for one in gone)
    left = sum(one.n_bytes for one in found) - sum(one.n_bytes for one in gone)
    assert left <= max_bytes or len(gone) == sum(not one.is_busy for one in found)
