"""How many events have left a queue: none that a consumer has just taken, and that no report has yet."""

import pytest

from mqs.broker.traffic import Counters, QueueSight, QueueTraffic, add_sight, count_gone


@pytest.mark.parametrize(
    ("n_acknowledged", "n_held", "at_s", "expected"),
    [
        # Five events came and were taken at once; the last report does not have them yet.
        (50, 0, 10.0, 50),
        # It has them.
        (50, 5, 12.0, 50),
        # Nothing has moved for as long as a report may be old, so it is right.
        (50, 0, 12.0, 55),
        # What the broker itself made a dead letter was never acknowledged.
        (27, 0, 12.0, 55),
        # Acknowledged, and still in an old report.
        (55, 5, 10.0, 50),
    ],
)
def test_an_event_in_hand_is_not_gone(n_acknowledged: int, n_held: int, at_s: float, expected: int) -> None:
    traffic = QueueTraffic(now=Counters(55, n_acknowledged))
    assert count_gone(traffic, QueueSight(55, 0, 10.0), n_held, at_s=at_s, settle_s=2.0) == expected


def test_whatever_moves_makes_a_report_doubtful_again() -> None:
    first = add_sight(None, n_arrived=5, n_ready=5, at_s=1.0)
    assert add_sight(first, n_arrived=5, n_ready=5, at_s=9.0) == first
    assert add_sight(first, n_arrived=5, n_ready=4, at_s=9.0).since_s == 9.0
    assert add_sight(first, n_arrived=6, n_ready=5, at_s=9.0).since_s == 9.0
