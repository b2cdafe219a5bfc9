"""Each event gets one outcome: its own, or that of a confirm for many."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.amqp.wire.confirms import ConfirmBook, Verdict


def settled(
    book: ConfirmBook[str], tag: int, *, and_earlier: bool = False, is_refused: bool = False
) -> dict[str, Verdict]:
    return dict(book.settle_events(tag, and_earlier=and_earlier, is_refused=is_refused))


def book_of(n: int) -> ConfirmBook[str]:
    book: ConfirmBook[str] = ConfirmBook()
    for number in range(1, n + 1):
        book.add_event(f"e{number}", f"id-{number}")
    return book


def test_a_confirm_is_for_one_event_or_for_all_up_to_it() -> None:
    book = book_of(5)
    assert settled(book, 2) == {"e2": Verdict.TAKEN}
    assert settled(book, 4, and_earlier=True) == dict.fromkeys(("e1", "e3", "e4"), Verdict.TAKEN)
    assert settled(book, 4) == {}
    assert settled(book, 9) == {}
    assert book.take_all() == ["e5"]
    assert len(book) == 0


def test_a_returned_event_found_no_queue_and_a_refused_one_a_full_queue() -> None:
    book = book_of(3)
    book.note_returned("id-2")
    assert settled(book, 3, and_earlier=True) == {"e1": Verdict.TAKEN, "e2": Verdict.UNROUTABLE, "e3": Verdict.TAKEN}
    book.add_event("again", "id-2")
    assert settled(book, 4) == {"again": Verdict.TAKEN}
    book.add_event("full", "id-5")
    assert settled(book, 5, is_refused=True) == {"full": Verdict.REFUSED}


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.booleans()), max_size=20), st.sets(st.integers(1, 10)))
def test_every_event_has_one_outcome_and_it_is_the_first_that_names_it(
    confirms: list[tuple[int, bool, bool]], returned: set[int]
) -> None:
    book = book_of(10)
    for number in returned:
        book.note_returned(f"id-{number}")
    found: list[tuple[str, Verdict]] = []
    expected: dict[str, Verdict] = {}
    for tag, and_earlier, is_refused in confirms:
        found += settled(book, tag, and_earlier=and_earlier, is_refused=is_refused).items()
        for number in range(1, tag + 1) if and_earlier else [tag]:
            if number <= 10:
                otherwise = Verdict.UNROUTABLE if number in returned else Verdict.TAKEN
                expected.setdefault(f"e{number}", Verdict.REFUSED if is_refused else otherwise)
    assert len(found) == len(dict(found))
    assert dict(found) == expected
    assert {*book.take_all(), *expected} == {f"e{number}" for number in range(1, 11)}
