"""A copied record is the one that the standard library would make."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.life.lookahead import Pace
from pilot.life.records import replace
from pilot.life.state import PilotState, Policy, Stage
from pilot.stream.slot import Limits, Slot

STATE = PilotState(Policy(1, 60.0, 60.0, 10.0, 60.0), Stage.LISTENING, 0.0)
RECORDS = (STATE, Pace(), Slot(Limits(None, 1.0)))
FIELDS = st.sampled_from(RECORDS).flatmap(
    lambda record: st.tuples(
        st.just(record),
        st.dictionaries(st.sampled_from([field.name for field in dataclasses.fields(record)]), st.integers()),
    )
)


@given(FIELDS)
def test_a_copy_is_the_standard_librarys_and_leaves_the_record_as_it_is(case: tuple[Pace, dict[str, int]]) -> None:
    record, changes = case
    before = dict(record.__dict__)
    copy = replace(record, **changes)
    assert copy == dataclasses.replace(record, **changes)
    assert type(copy) is type(record)
    assert record.__dict__ == before


def test_a_field_that_a_record_lacks_is_an_error() -> None:
    with pytest.raises(TypeError, match="Pace has no field mean"):
        replace(Pace(), mean=1.0)  # type: ignore[call-arg]


def test_a_copy_is_as_frozen_as_the_record() -> None:
    copy = replace(Pace(), n=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        copy.n = 2  # type: ignore[misc]
