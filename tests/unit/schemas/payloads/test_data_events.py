import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import EventId, TaskId
from schemas.payloads.data_events import DataEvent, Header, output_id

TASK = TaskId("TK-1-2-3")


@given(st.uuids(), st.integers(min_value=0, max_value=1000))
def test_running_a_task_again_gives_its_output_the_same_id(parent: uuid.UUID, index: int) -> None:
    first = output_id(EventId(str(parent)), TASK, index)
    assert first == output_id(EventId(str(parent)), TASK, index)
    assert first != output_id(EventId(str(parent)), TASK, index + 1)
    assert first != output_id(EventId(str(parent)), TaskId("TK-1-2-4"), index)


@pytest.mark.parametrize("parent", ["", "17", "not-a-uuid"])
def test_an_input_without_a_proper_id_gives_no_stable_output_id(parent: str) -> None:
    assert output_id(EventId(parent), TASK, 0) is None


@pytest.mark.parametrize(
    ("headers", "attempt"), [({}, 1), ({Header.DELIVERY_COUNT: 4}, 5), ({Header.DELIVERY_COUNT: "x"}, 1)]
)
def test_attempts_count_from_one(headers: dict[str, int], attempt: int) -> None:
    assert DataEvent(b"", EventId("x"), headers=dict(headers)).attempt == attempt


@given(st.uuids(), st.text(max_size=20), st.integers(0, 100), st.sampled_from(["{}", "{{{}}}", "urn:uuid:{}"]))
def test_an_output_id_is_the_uuid_5_of_its_parent(parent: uuid.UUID, task: str, index: int, form: str) -> None:
    expected = str(uuid.uuid5(parent, f"{task}/{index}"))
    text = form.format(parent)
    assert output_id(EventId(text), TaskId(task), index) == expected
    assert output_id(EventId(text.upper().replace("URN:UUID", "urn:uuid")), TaskId(task), index) == expected
