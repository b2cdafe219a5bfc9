"""The plan of the queue campaign: every kind, ages up to a second, and the same plan for the same seed."""

from tests.campaigns.queues import Kind, plan_cycles


def test_thirty_cycles_have_each_kind_at_six_ages_from_none_to_a_second() -> None:
    cycles = plan_cycles(7, 30)
    assert [cycle.number for cycle in cycles] == list(range(30))
    for kind in Kind:
        ages = [round(cycle.age_s, 1) for cycle in cycles if cycle.kind is kind]
        assert ages == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def test_a_plan_can_be_made_again_and_be_short() -> None:
    assert plan_cycles(7, 30) == plan_cycles(7, 30)
    assert plan_cycles(7, 30) != plan_cycles(8, 30)
    assert [cycle.age_s for cycle in plan_cycles(7, 3)] == [0.0] * 3
