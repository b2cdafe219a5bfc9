"""Step lists: how they are joined, what they refuse, and what conditions and focus do to single steps."""

from typing import Any

import pytest

from ewms.steps import (
    State,
    Step,
    StepList,
    begin,
    callback_step,
    conditional,
    done,
    focussteps,
    init,
    inputstep,
    step,
    step_group,
)
from ewms.steps.step_list import keys_of
from ewms.steps.testing import Rehearsal


@step("A")
def a() -> State:
    return {"a": 1}


@step("B")
def b() -> State:
    return {"b": 2}


@step("C")
def c() -> State:
    return {"c": 3}


def names(steps: StepList) -> list[str]:
    return [one.name for one in steps]


def test_o12_joining_is_associative_and_leaves_the_lists_as_they_are() -> None:
    left = (begin >> a >> b) >> c
    right = begin >> (a >> (begin >> b >> c))

    assert names(left) == names(right) == ["A", "B", "C"]
    assert left == right
    assert len(begin) == 0


def test_o12_a_plain_function_is_refused_with_the_remedy() -> None:
    def plain() -> None: ...

    with pytest.raises(TypeError, match=r'plain is a plain function: write @step\("\.\.\."\) above it'):
        begin >> plain  # type: ignore[operator]  # the fault that is tested
    with pytest.raises(TypeError, match="it got 7"):
        begin >> a >> 7  # type: ignore[operator]  # the fault that is tested


def test_o4_steps_run_in_order_and_each_sees_what_the_one_before_has_left(rehearsal: Rehearsal) -> None:
    seen: list[dict[str, Any]] = []

    @step("Look")
    def look(state: State) -> None:
        seen.append(dict(state))

    rehearsal.run_steps(begin >> look >> a >> look >> b >> look).expect("completed")

    assert seen == [{}, {"a": 1}, {"a": 1, "b": 2}]


def test_s1_one_step_may_stand_in_a_list_several_times_under_a_key_for_each_place(rehearsal: Rehearsal) -> None:
    steps = begin >> a >> b >> a

    assert keys_of(steps) == ["0", "1", "2"]
    assert [row.key for row in rehearsal.run_steps(steps).journal] == ["0", "1", "2"]


def test_s2_nothing_runs_after_the_first_done_and_doubled_ones_are_legal(rehearsal: Rehearsal) -> None:
    process = rehearsal.run_steps(begin >> init >> init >> a >> done >> b >> done).expect("completed")

    assert process.cleared == ["Start", "Start", "A", "Done"]
    assert "b" not in process.state


def test_s3_a_list_without_done_completes_at_its_end(rehearsal: Rehearsal) -> None:
    assert rehearsal.run_steps(begin >> a).status == "completed"
    assert rehearsal.run_steps(begin).status == "completed"


def test_s4_a_step_within_a_condition_can_turn_the_rest_of_it_off(rehearsal: Rehearsal) -> None:
    @step("Turn off")
    def turn_off() -> State:
        return {"is_on": False}

    steps = begin >> conditional(lambda state: state["is_on"])(begin >> a >> turn_off >> b) >> c
    process = rehearsal.run_steps(steps, {"is_on": True}).expect("completed")

    assert [(row.name, str(row.status)) for row in process.journal] == [
        ("A", "success"),
        ("Turn off", "success"),
        ("B", "skipped"),
        ("C", "success"),
    ]


def test_s5_the_inner_condition_is_not_asked_when_the_outer_says_no(rehearsal: Rehearsal) -> None:
    outer = conditional(lambda state: "inner" in state)
    inner = conditional(lambda state: state["inner"])

    process = rehearsal.run_steps(begin >> outer(begin >> inner(a)) >> b).expect("completed")

    assert process.cleared == ["B"]


def test_s6_a_condition_that_raises_fails_its_step_and_a_retry_asks_it_again(rehearsal: Rehearsal) -> None:
    answers: list[bool] = []

    def ask(state: State) -> bool:
        return answers.pop()

    process = rehearsal.run_steps(begin >> conditional(ask)(a)).expect("failed")
    assert process.journal[-1].error["class"] == "IndexError"

    answers.append(True)
    assert process.retry().expect("completed").state == {"a": 1}


def test_a_condition_stands_around_input_steps_and_callback_steps_too(rehearsal: Rehearsal) -> None:
    @inputstep("Ask")
    def ask() -> Any:
        raise AssertionError("nobody is asked")

    around = conditional(lambda state: False)
    process = rehearsal.run_steps(begin >> around(begin >> ask >> callback_step("Call", a, b)) >> c).expect("completed")

    assert process.cleared == ["C"]


def test_focus_shows_a_step_one_object_and_merges_into_it(rehearsal: Rehearsal) -> None:
    @step("Count")
    def count(n: int) -> State:
        return {"n": n + 1}

    state = {"n": 100, "primary": {"n": 1, "kept": True}, "backup": {"port": {"n": 5}}}
    steps = begin >> focussteps("primary")(count) >> focussteps("backup")(focussteps("port")(count))

    process = rehearsal.run_steps(steps, state).expect("completed")
    assert process.state == {"n": 100, "primary": {"n": 2, "kept": True}, "backup": {"port": {"n": 6}}}


def test_a_condition_within_a_focus_sees_the_object(rehearsal: Rehearsal) -> None:
    steps = begin >> focussteps("port")(begin >> conditional(lambda view: view["is_up"])(a))

    assert rehearsal.run_steps(steps, {"port": {"is_up": False}}).state == {"port": {"is_up": False}}
    assert rehearsal.run_steps(steps, {"port": {"is_up": True}}).state == {"port": {"is_up": True, "a": 1}}


def test_a_focus_on_what_is_not_there_fails_the_step_by_name(rehearsal: Rehearsal) -> None:
    process = rehearsal.run_steps(begin >> focussteps("port")(a), {"port": 3}).expect("failed")

    assert process.journal[0].error["error"] == "the state's key 'port' holds no object for 'A' to focus on"


def test_a_group_clears_as_a_whole_or_not_at_all(rehearsal: Rehearsal) -> None:
    calls: list[str] = []

    @step("First")
    def first() -> State:
        calls.append("first")
        return {"from_first": 1}

    @step("Second")
    def second(from_first: int) -> State:
        calls.append("second")
        if calls.count("second") == 1:
            raise RuntimeError("not yet")
        return {"from_second": from_first + 1, "__remove_keys": ["old"]}

    process = rehearsal.run_steps(begin >> step_group("Both", begin >> first >> second), {"old": 0}).expect("failed")
    assert process.journal[0].error["__sub_step"] == "Second"
    assert process.state == {"old": 0}

    process.retry().expect("completed")
    assert calls == ["first", "second", "first", "second"]
    assert process.state == {"from_first": 1, "from_second": 2}
    assert process.cleared == ["Both"]


def test_a_group_takes_no_step_that_waits() -> None:
    @inputstep("Ask")
    def ask() -> Any: ...

    for waiting in (begin >> ask, begin >> done):
        with pytest.raises(TypeError, match="takes steps that do not wait"):
            step_group("Group", waiting)
    with pytest.raises(ValueError, match="is empty"):
        step_group("Group", begin)


def test_step_works_on_functions_steps_and_lists() -> None:
    def plain(x: int) -> int:
        return x + 1

    one, other = step("One")(plain), step("Other")(plain)

    assert (one.name, other.name, one(x=1), plain(2)) == ("One", "Other", 2, 3)
    assert step("Again")(one).function is plain
    group = step("Group")(begin >> one)
    assert isinstance(group, Step)
    assert group.members == begin >> one
    with pytest.raises(TypeError, match="needs a function"):
        step("None")(None)  # type: ignore[call-overload]  # the fault that is tested
    with pytest.raises(TypeError, match="has no function to call"):
        done()


def test_a_list_reads_like_what_was_written() -> None:
    assert repr(begin >> a >> b) == "begin >> 'A' >> 'B'"
    assert names((begin >> a >> b >> c)[1:]) == ["B", "C"]


def test_a_callback_step_takes_plain_steps() -> None:
    @inputstep("Ask")
    def ask() -> Any: ...

    with pytest.raises(TypeError, match="takes plain steps"):
        callback_step("Call", ask, a)
