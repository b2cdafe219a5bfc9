"""Queries: whatever they are made of, they are answered or refused, and never with anybody else's objects."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Rejected
from tests.contract.conformance import shapes
from tests.contract.conformance.world import World, ok, request
from tests.examples import part_of_examples
from tests.fuzz.conftest import FUZZ
from wms.fleet.reading.query_filters import OPERATORS, make_filter

FOREIGN = ("$where", "$expr", "$function", "$accumulator", "$jsonSchema", "$text", "$lookup", "$comment", "$mod", "$")
FIELDS = (*shapes.TASKFORCE, "worker_config.n_cores", "phase_change_log.0.context", "owner", "_id", "rev", "", "a.$b")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["WF-0", "pre-launch", "^a", "(", "[", "a{1,99999}", "(a+)+$", "\x00", "\ud800"])
)
names = st.sampled_from((*FIELDS, *FOREIGN, *sorted(OPERATORS))) | st.text(max_size=6)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
# Mostly of a form that gets past the first look: a field with an operator, in junctions.
conditions = st.dictionaries(st.sampled_from(sorted(OPERATORS)), anything, min_size=1, max_size=2) | anything
likely = st.recursive(
    st.dictionaries(st.sampled_from(sorted(shapes.TASKFORCE)), conditions, max_size=2),
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=2), min_size=1, max_size=1
    ),
    max_leaves=4,
)
queries = likely | st.dictionaries(names, anything, max_size=3)


def _names(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_names, value.values()))
    if isinstance(value, list):
        return set().union(*map(_names, value))
    return set()


def _passed(query: Any) -> Any:
    try:
        return make_filter(query, shapes.TASKFORCE)
    except Rejected as refusal:
        return refusal


@given(query=queries)
@settings(FUZZ, max_examples=part_of_examples(5))
def test_what_passes_the_check_is_the_query_itself_of_known_operators(query: Any) -> None:
    passed = _passed(query)
    if isinstance(passed, Rejected):
        assert passed.reason.startswith("'query")
        assert passed.reason.isprintable()
        return
    assert passed == query
    assert {name for name in _names(passed) if name.startswith("$")} <= OPERATORS


@pytest.mark.hypothesis
def test_a_query_is_answered_or_refused_whatever_it_is(world: World) -> None:
    stranger = world.caller("user", "somebody-else")
    world.submit(request())

    @given(
        query=queries,
        projection=st.none() | st.lists(names, max_size=3),
        path=st.sampled_from(["workflows", "task-directives", "taskforces"]),
    )
    @settings(FUZZ, max_examples=part_of_examples(2))
    def ask(query: Any, projection: Any, path: str) -> None:
        body = {"query": query, **({} if projection is None else {"projection": projection})}
        try:
            answer = stranger.post(f"/query/{path}", body)
        except ValueError:
            # NaN and infinite numbers are no JSON: the client does not even send them.
            return
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 200:
            assert ok(answer) == {path.replace("-", "_"): [], "next_after": None}

    ask()
