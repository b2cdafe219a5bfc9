"""The decisions about one warm container, one by one."""

from typing import Any

import pytest

from pilot.containers.task_interface import RunOutcome
from pilot.failures.container_failures import container_not_started, task_said
from pilot.failures.event_failures import invalid_answer
from pilot.stream.slot import (
    Answered,
    Await,
    Closed,
    CloseInput,
    Dismissed,
    Due,
    End,
    Given,
    Gone,
    Instruction,
    Kill,
    Killed,
    Limits,
    Misbehaved,
    Send,
    Slot,
    SlotPhase,
    Spawn,
    Stimulus,
    Unstartable,
    WarmedUp,
    advance_slot,
)

LIMITS = Limits(timeout_s=2.0, start_s=60.0)
DONE = RunOutcome(b"1", "application/json")
BROKEN = invalid_answer("is not JSON", "write JSON")


def lived(*stimuli: Stimulus, limits: Limits = LIMITS) -> tuple[Slot, list[Instruction]]:
    """Return a slot after a life, and the instructions of its last moment."""
    slot, instructions = Slot(limits), list[Instruction]()
    for stimulus in stimuli:
        slot, instructions = advance_slot(slot, stimulus)
    return slot, instructions


def failure_of(instructions: list[Instruction]) -> Any:
    (end,) = (each for each in instructions if isinstance(each, End))
    assert end.outcome.failure is not None
    return end.outcome.failure


WARM: tuple[Stimulus, ...] = (WarmedUp(0.0),)
AT_WORK: tuple[Stimulus, ...] = (*WARM, Given(100.0, 1))
USEFUL: tuple[Stimulus, ...] = (*AT_WORK, Answered(DONE))
AT_WORK_AGAIN: tuple[Stimulus, ...] = (*USEFUL, Given(200.0, 2))


def test_a_container_is_started_ahead_and_fed_one_event_after_the_other() -> None:
    assert lived(*WARM)[1] == [Spawn()]
    assert lived(*AT_WORK)[1] == [Send(1, 102.0)]
    assert lived(*USEFUL)[1] == [End(1, DONE)]
    assert lived(*AT_WORK_AGAIN)[1] == [Send(2, 202.0)]


def test_an_event_that_finds_no_container_starts_one() -> None:
    assert lived(Given(5.0, 1))[1] == [Spawn(), Send(1, 67.0)]


@pytest.mark.parametrize(("given_s", "due_s"), [(0.0, 62.0), (10.0, 62.0), (60.0, 62.0), (60.5, 62.5), (500.0, 502.0)])
def test_the_time_that_a_container_takes_to_start_is_not_its_first_events(given_s: float, due_s: float) -> None:
    assert lived(*WARM, Given(given_s, 1))[1] == [Send(1, due_s)]


def test_the_second_event_has_its_timeout_and_no_more() -> None:
    assert lived(*WARM, Given(1.0, 1), Answered(DONE), Given(2.0, 2))[1] == [Send(2, 4.0)]


def test_without_a_timeout_nothing_is_due() -> None:
    assert lived(*AT_WORK, limits=Limits(None, 60.0))[1] == [Send(1, None)]


def test_an_event_that_its_task_says_has_failed_leaves_the_container_as_it_is() -> None:
    failed = RunOutcome(failure=task_said("bad pixel"))
    slot, instructions = lived(*AT_WORK, Answered(failed))
    assert instructions == [End(1, failed)]
    assert slot.phase is SlotPhase.WARM


def test_an_event_that_takes_too_long_fails_when_its_container_has_gone() -> None:
    assert lived(*AT_WORK, Due())[1] == [Kill()]
    slot, instructions = lived(*AT_WORK, Due(), Gone(103.0, 137, "progress 17"))
    failure = failure_of(instructions)
    assert failure.aka == "TimeoutError"
    assert failure.text == "task failed: [Timeout-Error] timed out after 2s"
    assert slot.phase is SlotPhase.COLD


def test_a_broken_rule_costs_the_event_and_the_container() -> None:
    assert lived(*AT_WORK, Misbehaved(BROKEN))[1] == [Kill()]
    _, instructions = lived(*AT_WORK, Misbehaved(BROKEN), Gone(101.0, 137, "ValueError: x", "trace"))
    failure = failure_of(instructions)
    assert failure.text == f"{BROKEN.text}; standard error: ValueError: x"
    assert (failure.type, failure.traceback) == (BROKEN.type, "trace")


def test_an_answer_with_more_behind_it_counts_and_the_container_goes() -> None:
    assert lived(*AT_WORK, Answered(DONE, more=True))[1] == [Kill()]
    slot, instructions = lived(*AT_WORK, Answered(DONE, more=True), Gone(101.0, 137))
    assert instructions == [End(1, DONE), Spawn()]
    assert slot.phase is SlotPhase.WARM


@pytest.mark.parametrize(("code", "words"), [(0, "<no stderr logs>"), (1, "ValueError: x")])
def test_a_container_that_ends_in_the_middle_of_an_event_fails_it_with_its_last_words(code: int, words: str) -> None:
    _, instructions = lived(*AT_WORK, Gone(101.0, code, words, "trace"))
    failure = failure_of(instructions)
    assert f"ended (exit code {code}) in the middle of an event: {words}; a warm task answers" in failure.text
    assert failure.traceback == "trace"


def test_a_closed_pipe_waits_for_the_exit_code_and_not_for_ever() -> None:
    assert lived(*AT_WORK, Closed(101.0))[1] == [Await(102.0)]
    _, ended = lived(*AT_WORK, Closed(101.0), Gone(101.1, 3))
    assert "exit code 3" in failure_of(ended).text
    assert lived(*AT_WORK, Closed(101.0), Due())[1] == [Kill()]
    _, killed = lived(*AT_WORK, Closed(101.0), Due(), Gone(102.1, 137))
    assert "closed its standard input or output in the middle of an event" in failure_of(killed).text


def test_a_useful_container_that_ends_between_two_events_is_replaced_at_once() -> None:
    slot, instructions = lived(*USEFUL, Gone(150.0, 1))
    assert instructions == [Spawn()]
    assert (slot.phase, slot.n_answers) == (SlotPhase.WARM, 0)


def test_a_container_that_ended_without_an_answer_is_replaced_for_an_event_only() -> None:
    slot, instructions = lived(*WARM, Gone(0.1, 1))
    assert (slot.phase, instructions) == (SlotPhase.COLD, [])
    slot, instructions = advance_slot(slot, Given(1.0, 1))
    assert instructions == [Spawn(), Send(1, 63.0)]
    slot, instructions = advance_slot(slot, Gone(1.1, 1, unread=True))
    assert slot.phase is SlotPhase.COLD
    assert "exit code 1" in failure_of(instructions).text


def test_an_event_that_a_useful_container_has_not_read_goes_to_the_next_one() -> None:
    slot, instructions = lived(*AT_WORK_AGAIN, Gone(200.1, 0, unread=True))
    assert instructions == [Spawn(), Send(2, 262.1)]
    _, instructions = advance_slot(slot, Gone(200.2, 0, unread=True))
    assert "exit code 0" in failure_of(instructions).text, "once is enough"
    _, instructions = lived(*AT_WORK_AGAIN, Closed(200.1), Gone(200.2, 0, unread=True))
    assert instructions[0] == Spawn()
    _, instructions = lived(*AT_WORK_AGAIN, Gone(200.1, 0, unread=False))
    assert "exit code 0" in failure_of(instructions).text


def test_an_event_for_a_slot_whose_container_is_on_its_way_out_waits_for_the_next() -> None:
    slot, instructions = lived(*USEFUL, Misbehaved(BROKEN))
    assert instructions == [Kill()], "nobody's event fails"
    slot, instructions = advance_slot(slot, Given(150.0, 2))
    assert instructions == []
    _, instructions = advance_slot(slot, Gone(150.1, 137))
    assert instructions == [Spawn(), Send(2, 212.1)]


def test_a_command_that_cannot_be_started_fails_the_event_there_is() -> None:
    why = container_not_started("task", "no such file")
    slot, instructions = lived(*WARM, Unstartable(why))
    assert (slot.phase, instructions) == (SlotPhase.COLD, [])
    slot, instructions = lived(*WARM, Unstartable(why), Given(1.0, 1), Unstartable(why))
    assert instructions == [End(1, RunOutcome(failure=why))]
    assert slot.phase is SlotPhase.COLD


def test_a_slot_that_is_dismissed_closes_its_containers_standard_input_and_starts_no_more() -> None:
    slot, instructions = lived(*USEFUL, Dismissed())
    assert instructions == [CloseInput()]
    slot, instructions = advance_slot(slot, Gone(101.0, 0))
    assert (slot.phase, instructions) == (SlotPhase.COLD, [])
    assert advance_slot(slot, WarmedUp(102.0))[1] == []
    assert advance_slot(slot, Given(102.0, 3))[1] == [End(3, RunOutcome(interrupted=True))]


@pytest.mark.parametrize("before", [(), WARM, USEFUL, (*USEFUL, Dismissed()), (*USEFUL, Misbehaved(BROKEN))])
def test_a_kill_between_two_events_ends_the_container_and_fails_nothing(before: tuple[Stimulus, ...]) -> None:
    slot, instructions = lived(*before, Killed())
    assert instructions == ([Kill()] if before else [])
    slot, instructions = advance_slot(slot, Gone(101.0, 137))
    assert (slot.phase, instructions) == (SlotPhase.COLD, [])


@pytest.mark.parametrize(
    "before", [AT_WORK, AT_WORK_AGAIN, (*AT_WORK, Closed(101.0)), (*WARM, Closed(1.0), Given(2.0, 1))]
)
def test_a_kill_interrupts_the_event_in_the_slot(before: tuple[Stimulus, ...]) -> None:
    slot, instructions = lived(*before, Killed())
    key = slot.key
    assert key is not None
    assert instructions == [Kill()]
    assert advance_slot(slot, Gone(300.0, 137, unread=True))[1] == [End(key, RunOutcome(interrupted=True))]


@pytest.mark.parametrize(
    "late", [Answered(DONE), Misbehaved(BROKEN), Closed(101.0), Unstartable(BROKEN), WarmedUp(101.0)]
)
def test_what_an_ending_container_still_does_changes_nothing(late: Stimulus) -> None:
    slot, _ = lived(*AT_WORK, Due())
    assert advance_slot(slot, late) == (slot, [])


@pytest.mark.parametrize("late", [Answered(DONE), Misbehaved(BROKEN), Closed(1.0), Due(), Gone(1.0, 0)])
def test_a_slot_without_a_container_hears_nothing(late: Stimulus) -> None:
    slot = Slot(LIMITS)
    assert advance_slot(slot, late) == (slot, [])


def test_a_slot_holds_one_event() -> None:
    slot, _ = lived(*AT_WORK)
    with pytest.raises(AssertionError):
        advance_slot(slot, Given(101.0, 2))
