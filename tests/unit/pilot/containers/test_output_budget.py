"""How much of its tasks' output a pilot prints."""

from hypothesis import given
from hypothesis import strategies as st

from pilot.containers.output_budget import BURST_BYTES, BYTES_PER_S, OutputBudget, spend_budget


def test_some_outputs_are_printed_at_once_then_a_few() -> None:
    budget, n_printed = OutputBudget(), 0
    for _ in range(1000):
        budget, may = spend_budget(budget, 16 * 1024, 5.0)
        n_printed += may
    assert n_printed == BURST_BYTES // (16 * 1024)
    assert budget.n_left_out == 1000 - n_printed
    budget, may = spend_budget(budget, 16 * 1024, 5.0 + 16.0)
    assert may
    assert budget.n_left_out == 0


@given(st.lists(st.tuples(st.integers(0, 100_000), st.floats(0, 100))))
def test_never_more_is_printed_than_the_burst_and_what_time_allows(outputs: list[tuple[int, float]]) -> None:
    budget, now_s, n_bytes = OutputBudget(), 0.0, 0
    for size, pause_s in outputs:
        now_s += pause_s
        budget, may = spend_budget(budget, size, now_s)
        n_bytes += size if may else 0
    assert n_bytes <= BURST_BYTES + now_s * BYTES_PER_S + 1
