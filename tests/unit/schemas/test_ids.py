from hypothesis import given
from hypothesis import strategies as st

from schemas import ids

entropy = st.integers(min_value=0, max_value=2**128)


@given(st.integers(min_value=0, max_value=2**40), entropy, entropy, entropy)
def test_ids_have_the_contracts_shape_and_contain_their_parents(epoch: int, a: int, b: int, c: int) -> None:
    workflow = ids.workflow_id(epoch, a)
    task = ids.task_id(workflow, b)
    taskforce = ids.taskforce_uuid(task, c)
    assert ids.WORKFLOW_ID.fullmatch(workflow)
    assert ids.TASK_ID.fullmatch(task)
    assert ids.TASKFORCE_UUID.fullmatch(taskforce)
    assert ids.workflow_of(task) == ids.workflow_of(taskforce) == workflow


@given(entropy)
def test_a_queue_id_holds_nothing_that_a_broker_scope_would_expand(value: int) -> None:
    assert ids.MQID.fullmatch(ids.mqid(value))


@given(entropy, entropy)
def test_different_entropy_of_80_bits_makes_different_queue_ids(a: int, b: int) -> None:
    assert (ids.mqid(a) == ids.mqid(b)) == (a % 2**80 == b % 2**80)
