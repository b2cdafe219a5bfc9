"""What the campaign of several nodes calls a fault."""

from tests.campaigns.node_strikes import BROKER_NODES, LIMITS_S, Ledger, Strike, choose_away_s, find_faults

GATEWAY = "http://one"


def make_ledger() -> Ledger:
    """Return a ledger of 60 s with an event and an answer each second, all at once."""
    return Ledger(
        {n: float(n) for n in range(60)},
        [(n, n + 0.5) for n in range(60)],
        {GATEWAY: [(float(n), n + 0.1) for n in range(60)]},
    )


def strike() -> Strike:
    return Strike("wms", 10.0, back_at_s=20.0, until_s=40.0, process_s=3.0)


def test_a_run_without_trouble_has_no_faults() -> None:
    assert find_faults(make_ledger(), [strike()], {"wms": 10.0}) == []


def test_a_lost_and_a_repeated_event_are_faults() -> None:
    ledger = make_ledger()
    ledger.received[7] = (8, 9.0)
    assert find_faults(ledger, [strike()], {"wms": 10.0}) == ["the event 7 is lost", "the event 8 came 2 times"]


def test_each_wait_that_is_too_long_is_a_fault() -> None:
    ledger = make_ledger()
    ledger.received[12] = (12, 45.0)
    ledger.answers[GATEWAY] = [(at, back if at < 10 or at > 35 else None) for at, back in ledger.answers[GATEWAY]]
    slow = strike()
    slow.process_s = 21.0
    faults = find_faults(ledger, [slow], {"wms": 10.0})
    assert [fault.split(" for ")[0] for fault in faults] == [
        "wms: an event was under way",
        "wms: no gateway answered",
        "wms: a process took",
    ]


def test_one_gateway_that_answers_is_enough() -> None:
    ledger = make_ledger()
    ledger.answers["http://two"] = [(float(n), None) for n in range(60)]
    assert find_faults(ledger, [strike()], {"wms": 10.0}) == []


def test_a_process_that_does_not_complete_is_a_fault() -> None:
    broken = strike()
    broken.process_s = None
    (fault,) = find_faults(make_ledger(), [broken], {"wms": 10.0})
    assert "did not complete" in fault


def test_a_node_of_the_broker_is_away_for_longer_than_the_broker_waits_for_it_by_default() -> None:
    assert all(choose_away_s(part) > 60 for part in BROKER_NODES)
    assert choose_away_s("wms") < 60
    assert set(BROKER_NODES) <= LIMITS_S.keys()
