"""What a loop says when events were dealt with and the broker does not know it."""

import pytest

from ewms.queues.unacknowledged import describe_unacknowledged


@pytest.mark.parametrize(
    ("events", "remembers", "parts"),
    [
        (["a"], True, ["1 event(s)", "(a)", "for seven days"]),
        (["a"], False, ["(a)", "another one gets them again"]),
        (["a", "b", "c", "d", "e"], True, ["5 event(s)", "(a, b, c and 2 more)"]),
        (["a", ""], True, ["(a, one without an id)", "you get it again"]),
    ],
)
def test_the_sentence_names_the_events_and_what_follows(events: list[str], remembers: bool, parts: list[str]) -> None:
    sentence = describe_unacknowledged(events, remembers=remembers)
    for part in parts:
        assert part in sentence
