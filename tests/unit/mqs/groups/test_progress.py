"""Replays and discards are counted where progress is computed from, and what is not known is not told."""

from datetime import UTC, datetime

from mqs.groups.progress import count_failed, count_letters, count_seen
from schemas.attempts.dead_letters import LetterAction
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Alias, Mqid, WorkflowId

NOW = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")
IN, OUT = Mqid("a1"), Mqid("a2")


def group(**fields: object) -> MQGroupDocument:
    return MQGroupDocument.model_validate(
        {"workflow_id": WORKFLOW, "timestamp": 0, "owner": "ada", "state": GroupState.ACTIVE, **fields}
    )


def profile(mqid: Mqid, **fields: object) -> MQProfileDocument:
    given = {"mqid": mqid, "workflow_id": WORKFLOW, "timestamp": 0, "alias": Alias(mqid), "is_public": True}
    return MQProfileDocument.model_validate({**given, "is_activated": True, "is_input": mqid == IN, **fields})


def count(before: MQGroupDocument, action: LetterAction, **n_of: int) -> MQGroupDocument:
    after = count_letters(before, action, n_of).group
    assert after is not None
    return after


def test_replays_are_counted_by_queue_and_those_that_were_refused_are_taken_back() -> None:
    sent = count(count(group(), LetterAction.REPLAY, a1=20), LetterAction.REPLAY, a1=20, a2=1)
    assert sent.replayed == {"a1": 40, "a2": 1}
    assert count(sent, LetterAction.REPLAY, a1=-3).replayed == {"a1": 37, "a2": 1}
    assert count(group(), LetterAction.REPLAY, a1=-3).replayed == {"a1": 0}


def test_discarded_letters_stay_failures() -> None:
    after = count(group(), LetterAction.DISCARD, a1=2, a2=1)
    assert (count_failed(after, 4), after.replayed) == (7, {})
    ended = after.model_copy(update={"drained_at": NOW, "n_failed_at_end": 7})
    assert count_failed(ended, 0) == 7, "what becomes of the letters later does not change how it ended"


def test_a_queue_that_was_deleted_with_its_events_tells_nothing() -> None:
    profiles = [profile(IN, retired_at=NOW), profile(OUT, retired_at=NOW)]
    assert count_seen(group(), profiles, {IN: 30, OUT: 3}) == {IN: None, OUT: 3}
    assert count_seen(group(drained_at=NOW), profiles, {IN: 30, OUT: 30}) == {IN: 30, OUT: 30}
    assert count_seen(group(), [profile(IN)], {IN: 30}) == {IN: 30}
