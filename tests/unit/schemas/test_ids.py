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
def test_different_entropy_of_80_bits_makes_different_queue_ids_but_for_the_mark_of_results(a: int, b: int) -> None:
    if ids.RESULTS_MARK not in (a & 0xFF, b & 0xFF):
        assert (ids.mqid(a) == ids.mqid(b)) == (a % 2**80 == b % 2**80)
    assert (ids.mqid(a, for_results=True) == ids.mqid(b, for_results=True)) == (a % 2**80 >> 8 == b % 2**80 >> 8)
    assert ids.mqid(a) != ids.mqid(b, for_results=True)
