"""What has gone through a queue, over restarts of the broker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqs.broker.traffic import (
    MANY_PROCESSES,
    BrokerLife,
    Counters,
    QueueTraffic,
    add_count,
    count_arrived,
    has_restarted,
)

FIRST, SECOND = BrokerLife("71", 60.0), BrokerLife("98", 3.0)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (FIRST, SECOND, True),
        (FIRST, BrokerLife("71", 90.0), False),
        # In a container each broker has the same process id.
        (BrokerLife("1", 60.0), BrokerLife("1", 3.0), True),
        # Two clocks never agree.
        (BrokerLife("1", 60.0), BrokerLife("1", 59.5), False),
        # In its first seconds, a broker reports neither.
        (FIRST, BrokerLife("", 0.0), True),
        (BrokerLife("", 0.0), SECOND, False),
        (BrokerLife(), SECOND, False),
        (FIRST, BrokerLife(), False),
    ],
)
def test_a_broker_has_restarted_if_its_process_is_another_one_or_is_younger(
    before: BrokerLife, now: BrokerLife, expected: bool
) -> None:
    assert has_restarted(before, now) is expected


def test_a_count_that_steps_back_is_a_broker_that_began_anew() -> None:
    unknown = BrokerLife()
    seen = add_count(QueueTraffic(), Counters(300, 250), unknown)
    again = add_count(seen, Counters(10, 4), unknown)
    assert (count_arrived(again, 0), again.n_left) == (310, 254)
    assert count_arrived(add_count(again, Counters(12, 12), unknown), 0) == 312


def test_what_has_left_and_what_waits_have_arrived_whatever_was_counted() -> None:
    # 20 events came after the last look before the restart.
    seen = add_count(add_count(QueueTraffic(), Counters(300, 250), FIRST), Counters(0, 0), SECOND)
    assert count_arrived(seen, n_ready=70) == 320


@pytest.mark.parametrize(
    ("traffic", "counted", "expected"),
    [
        # The broker had counted 37 of 40 events that MQS has shown as done.
        (QueueTraffic(now=Counters(37, 37), life=FIRST, n_arrived=40, n_gone=40), None, (40, 40)),
        # After its restart it has counted more than before already.
        (QueueTraffic(now=Counters(37, 37), life=FIRST, n_arrived=40, n_gone=40), Counters(50, 45), (90, 85)),
        (QueueTraffic(Counters(9, 9), Counters(5, 5), FIRST, 3, 2), Counters(1, 0), (15, 14)),
        # The same broker: what MQS has shown is in its counts, or comes late.
        (QueueTraffic(now=Counters(37, 37), life=SECOND, n_arrived=40, n_gone=40), None, (37, 37)),
        (QueueTraffic(now=Counters(37, 37), life=SECOND, n_arrived=40, n_gone=40), Counters(40, 40), (40, 40)),
    ],
)
def test_counts_from_before_a_restart_are_at_least_those_that_were_shown(
    traffic: QueueTraffic, counted: Counters | None, expected: tuple[int, int]
) -> None:
    after = add_count(traffic, counted, SECOND)
    assert (count_arrived(after, 0), after.n_left) == expected
    assert add_count(after, counted, BrokerLife(SECOND.process, SECOND.up_s + 5)).before == after.before


CLUSTER = BrokerLife(MANY_PROCESSES)


def test_a_node_that_ends_takes_its_counts_with_it_and_those_of_the_others_do_not_count_twice() -> None:
    seen = add_count(QueueTraffic(), Counters(100, 80), CLUSTER)
    # One node had counted 60 and 50 of them.
    after = add_count(seen, Counters(40, 30), CLUSTER)
    assert (count_arrived(after, 0), after.n_left) == (100, 80)
    later = add_count(after, Counters(45, 41), CLUSTER)
    assert (count_arrived(later, 0), later.n_left) == (105, 91)


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), min_size=3, max_size=3)))
def test_the_numbers_of_a_cluster_never_fall_and_never_exceed_what_came(
    steps: list[list[tuple[int, int, bool]]],
) -> None:
    traffic, nodes, came = QueueTraffic(), [(0, 0)] * 3, 0
    for step in steps:
        before = (count_arrived(traffic, 0), traffic.n_left)
        for place, (published, acknowledged, ends) in enumerate(step):
            came += published
            counted = nodes[place]
            nodes[place] = (0, 0) if ends else (counted[0] + published, counted[1] + min(published, acknowledged))
        traffic = add_count(traffic, Counters(*map(sum, zip(*nodes, strict=True))), CLUSTER)
        assert before[0] <= count_arrived(traffic, 0) <= came
        assert before[1] <= traffic.n_left <= came
