"""One caller's share: what it has under way, what it sends in a row, and that nothing of it stays."""

import pytest

from runtime.web.callers.limits import MAX_REMEMBERED, CallerLimits, CallerTable, OverLimit


def test_a_caller_has_so_many_requests_under_way_and_others_have_theirs() -> None:
    callers = CallerTable(CallerLimits(max_at_once=2))
    callers.begin_request("ada", 0)
    callers.begin_request("ada", 0)
    with pytest.raises(OverLimit, match="2 requests under way") as refused:
        callers.begin_request("ada", 0)
    assert (refused.value.code, refused.value.retry_after_s) == (429, 1)
    callers.begin_request("ben", 0)
    callers.end_request("ada")
    callers.begin_request("ada", 0)


def test_a_burst_is_let_in_and_the_rest_at_the_rate() -> None:
    callers = CallerTable(CallerLimits(per_s=2, burst=3))

    def admitted(now: float) -> int:
        n = 0
        while True:
            try:
                callers.begin_request("ada", now)
            except OverLimit:
                return n
            callers.end_request("ada")
            n += 1

    assert [admitted(now) for now in (0, 0, 1, 1.5, 100, 100)] == [3, 0, 2, 1, 3, 0]


def test_a_rate_of_nothing_is_none() -> None:
    callers = CallerTable(CallerLimits(per_s=0, burst=1))
    for _ in range(100):
        callers.begin_request("ada", 0)
        callers.end_request("ada")
    assert callers.n_remembered == 0


def test_callers_that_have_gone_are_forgotten() -> None:
    callers = CallerTable(CallerLimits(per_s=1, burst=5))
    for n in range(MAX_REMEMBERED + 50):
        callers.begin_request(f"caller {n}", 0)
        callers.end_request(f"caller {n}")
    assert callers.n_remembered == MAX_REMEMBERED
    # Those that came last are still known.
    last = f"caller {MAX_REMEMBERED + 49}"
    for _ in range(4):
        callers.begin_request(last, 0)
    with pytest.raises(OverLimit, match="too many requests; one caller may send 1 a second"):
        callers.begin_request(last, 0)
