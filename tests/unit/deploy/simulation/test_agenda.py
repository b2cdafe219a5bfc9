"""The virtual clock jumps from call to call."""

from deploy.simulation.agenda import Agenda


def test_calls_come_in_the_order_of_their_times_and_of_their_planning() -> None:
    agenda, seen = Agenda(), list[tuple[str, float]]()

    def note(name: str) -> None:
        seen.append((name, agenda.time()))

    agenda.call_at(5.0, lambda: note("late"))
    agenda.call_at(2.0, lambda: note("first"))
    agenda.call_at(2.0, lambda: note("second"))
    agenda.call_at(3.0, lambda: note("canceled")).cancel()
    agenda.call_at(2.5, lambda: agenda.call_later(1.0, lambda: note("planned on the way")))
    while agenda.make_next_call():
        pass
    assert seen == [("first", 2.0), ("second", 2.0), ("planned on the way", 3.5), ("late", 5.0)]


def test_a_call_in_the_past_comes_now() -> None:
    agenda = Agenda()
    agenda.call_at(5.0, lambda: None)
    agenda.make_next_call()
    assert agenda.call_at(1.0, lambda: None).when() == 5.0
    agenda.make_next_call()
    assert agenda.time() == 5.0
