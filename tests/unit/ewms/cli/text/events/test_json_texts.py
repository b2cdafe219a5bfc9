"""When events are texts that hold JSON."""

from typing import Any

import pytest

from ewms.cli.text.events.json_texts import JsonTextHint


@pytest.mark.parametrize(
    ("bodies", "applies"),
    [
        ([], False),
        (['{"n": 1}'], True),
        (['{"n": 1}', " [1, 2]\n"], True),
        (['{"n": 1}', "hello"], False),
        (["{not json}"], False),
        (["17"], False),
        ([{"n": 1}], False),
        ([b'{"n": 1}'], False),
        (["[" * 50_000], False),
    ],
)
def test_the_hint_is_for_events_that_are_all_texts_with_json(bodies: list[Any], applies: bool) -> None:
    hint = JsonTextHint()
    for body in bodies:
        hint.note_body(body)
    assert ("EWMS_PILOT_OUTFILE_EXT=.json" in hint.text) is applies
