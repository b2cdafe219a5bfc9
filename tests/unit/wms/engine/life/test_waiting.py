"""The table of the one wait, and its six fillings."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.engine.graph import WaitKind, WaitSpec
from schemas.engine.runs import Wait, WaitAnswer, WaitState
from schemas.ids import NodeKey
from wms.engine.life.waiting import (
    AnswerVerdict,
    arm_poll,
    arm_wait,
    has_expired,
    judge_answer,
    judge_token,
    keep_early,
    make_callback_token,
    note_answer,
    note_expiry,
    open_wait,
)

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
SPEC = WaitSpec(kind=WaitKind.CALLBACK, timeout_s=60)
FIRST, SECOND = WaitAnswer(id="1", at=NOW), WaitAnswer(id="2", at=NOW)
STEP = NodeKey("3")

OPENED = open_wait(SPEC, "c")
ARMED, _ = arm_wait(SPEC, OPENED, "c", NOW)
WAITS = {
    "opened": OPENED,
    "opened, one kept": keep_early(OPENED, FIRST),
    "armed": ARMED,
    "answered": note_answer(ARMED, FIRST),
    "expired": note_expiry(ARMED),
}
TABLE = {
    ("opened", "1"): AnswerVerdict.KEPT,
    ("opened, one kept", "1"): AnswerVerdict.DUPLICATE,
    ("opened, one kept", "2"): AnswerVerdict.LATE,
    ("armed", "1"): AnswerVerdict.ENDS,
    ("answered", "1"): AnswerVerdict.DUPLICATE,
    ("answered", "2"): AnswerVerdict.LATE,
    ("expired", "1"): AnswerVerdict.EXPIRED,
}


@pytest.mark.parametrize(("state", "answer"), TABLE)
def test_what_an_answer_does(state: str, answer: str) -> None:
    assert judge_answer(WAITS[state], WaitAnswer(id=answer, at=NOW), NOW) is TABLE[state, answer]


def test_a_node_that_does_not_wait_takes_no_answer() -> None:
    assert judge_answer(None, FIRST, NOW) is AnswerVerdict.UNKNOWN
    assert judge_answer(Wait(kind=WaitKind.EVENT, state=WaitState("odd")), FIRST, NOW) is AnswerVerdict.UNKNOWN


def test_an_answer_after_the_deadline_is_expired_though_no_timer_has_said_so() -> None:
    deadline = NOW + timedelta(seconds=60)
    assert ARMED.deadline == deadline
    assert judge_answer(ARMED, FIRST, deadline - timedelta(microseconds=1)) is AnswerVerdict.ENDS
    assert judge_answer(ARMED, FIRST, deadline) is AnswerVerdict.EXPIRED
    assert has_expired(ARMED, deadline)
    assert not has_expired(note_answer(ARMED, FIRST), deadline)


@pytest.mark.parametrize("kind", WaitKind)
def test_an_early_answer_is_found_by_the_arming_whatever_fills_the_wait(kind: WaitKind) -> None:
    spec = WaitSpec(kind=kind, name="n")
    wait, answer = arm_wait(spec, keep_early(open_wait(spec, ""), FIRST), "c", NOW)
    assert answer == FIRST
    assert (wait.state, wait.answered_by, wait.kind) == (WaitState.ANSWERED, "1", kind)
    wait, answer = arm_wait(spec, None, "c", NOW)
    assert answer is None
    assert (wait.state, wait.deadline, wait.correlation) == (WaitState.ARMED, None, "c")


def test_a_wait_that_was_over_is_armed_afresh() -> None:
    wait, answer = arm_wait(SPEC, note_expiry(ARMED), "c", NOW + timedelta(hours=1))
    assert answer is None
    assert wait.deadline == NOW + timedelta(hours=1, seconds=60)


def test_a_poll_counts_from_its_first_time() -> None:
    poll = arm_poll(None, NOW)
    assert arm_poll(poll, NOW + timedelta(seconds=9)).armed_at == NOW


def test_s19_the_token_of_an_earlier_attempt_is_superseded_and_others_are_unknown() -> None:
    tokens = [make_callback_token("secret", STEP, attempt) for attempt in range(5)]
    assert len(set(tokens)) == 5
    assert judge_token("secret", STEP, 3, tokens[3]) is None
    assert judge_token("secret", STEP, 3, tokens[1]) is AnswerVerdict.SUPERSEDED
    for wrong in (tokens[4], tokens[0], "", make_callback_token("other", STEP, 3)):
        assert judge_token("secret", STEP, 3, wrong) is AnswerVerdict.UNKNOWN


@given(st.permutations(["arm", "first", "second", "expire"]))
def test_in_whatever_order_they_come_one_answer_wins_or_one_expiry(order: list[str]) -> None:
    wait, ends = OPENED, []
    for act in order:
        match act:
            case "arm":
                wait, early = arm_wait(SPEC, wait, "c", NOW)
                ends += [early.id] if early is not None else []
            case "expire":
                if has_expired(wait, NOW + timedelta(seconds=60)):
                    wait = note_expiry(wait)
                    ends.append("expired")
            case _:
                answer = FIRST if act == "first" else SECOND
                verdict = judge_answer(wait, answer, NOW)
                if verdict is AnswerVerdict.ENDS:
                    wait = note_answer(wait, answer)
                    ends.append(answer.id)
                elif verdict is AnswerVerdict.KEPT:
                    wait = keep_early(wait, answer)
    assert len(ends) == 1
    first_answer = next(act for act in order if act in ("first", "second"))
    if ends != ["expired"]:
        assert ends == ["1" if first_answer == "first" else "2"]
