"""Reports come in a burst, then a few a second."""

from schemas.attempts.allowance import Allowance, take_one

NEW = Allowance(burst=20, per_s=2, as_of_s=100.0)


def n_taken(allowance: Allowance, now_s: float) -> tuple[int, Allowance]:
    n = 0
    while (left := take_one(allowance, now_s)) is not None:
        allowance, n = left, n + 1
    return n, allowance


def test_a_burst_then_a_few_a_second_and_never_more_than_a_burst() -> None:
    first, allowance = n_taken(NEW, 100.0)
    assert first == 20
    after_3_s, allowance = n_taken(allowance, 103.0)
    assert after_3_s == 6
    after_a_day, _ = n_taken(allowance, 86_400.0)
    assert after_a_day == 20


def test_a_clock_that_steps_back_gives_nothing() -> None:
    _, spent = n_taken(NEW, 100.0)
    assert take_one(spent, 50.0) is None
