"""Groups whose workflow is to end by itself: what they are told, when, and what stands against it."""

from datetime import UTC, datetime, timedelta

import pytest

from mqs.groups import endings, retirement
from mqs.groups.broker_steps import Rules, Shut, next_step
from mqs.groups.lifecycle import UNCHANGED
from schemas.events import QueuesDrained, ResultsArrived, WorkflowEnding
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Alias, Mqid, WorkflowId

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")
IN, MID, OUT = Mqid("a1"), Mqid("a2"), Mqid("a3")
#: A public queue in the middle: users publish onto it, and tasks do.
PROFILES = [
    MQProfileDocument(
        mqid=mqid,
        workflow_id=WORKFLOW,
        timestamp=0,
        alias=Alias(mqid),
        is_public=True,
        is_activated=True,
        is_input=mqid != OUT,
        is_output=mqid != IN,
    )
    for mqid in (IN, MID, OUT)
]


def wish(number: int = 1, **fields: object) -> WorkflowEnding:
    return WorkflowEnding.model_validate(
        {"workflow_id": WORKFLOW, "number": number, "is_closed": True, "levels": [[IN], [MID]], **fields}
    )


def active(**fields: object) -> MQGroupDocument:
    group = {"workflow_id": WORKFLOW, "timestamp": 0, "owner": "ada", "state": GroupState.ACTIVE, **fields}
    return MQGroupDocument.model_validate(group)


def closing(**fields: object) -> MQGroupDocument:
    group = endings.apply_ending(active(), wish(), now=NOW).group
    assert group is not None
    return group.model_copy(update=fields)


def test_what_tasks_publish_onto_keeps_its_way_in_until_its_level_is_reached() -> None:
    group = closing()
    assert next_step(group, PROFILES, NOW, Rules()) == Shut((IN,))
    shut = [p.model_copy(update={"shut_at": NOW}) if p.mqid == IN else p for p in PROFILES]
    assert next_step(group, shut, NOW, Rules()) is None
    assert endings.find_inputs_to_shut(group, shut, 0) == ()
    assert endings.find_inputs_to_shut(group, shut, 1) == (MID,)


def test_a_wish_that_comes_again_or_late_changes_nothing_and_is_answered_if_there_is_an_answer() -> None:
    group = closing(ending_number=2)
    assert endings.apply_ending(group, wish(1), now=NOW) == UNCHANGED
    drained = endings.mark_drained(group, group.rev, 3, now=NOW).group
    assert drained is not None
    assert endings.apply_ending(drained, wish(2), now=NOW).events == (QueuesDrained(workflow_id=WORKFLOW, n_dead=3),)
    assert endings.apply_ending(None, wish(), now=NOW) == UNCHANGED
    assert endings.apply_ending(active(state=GroupState.RETIRING), wish(), now=NOW) == UNCHANGED


@pytest.mark.parametrize(
    "fields",
    [
        {"rev": 8},
        {"state": GroupState.RETIRING},
        {"drained_at": NOW},
        {"closed_at": None},
        {"replaying_until": NOW + timedelta(seconds=1)},
        {"has_unconfirmed_replays": True},
    ],
)
def test_what_has_happened_since_the_watch_began_keeps_a_group_from_being_drained(fields: dict[str, object]) -> None:
    assert endings.mark_drained(closing(rev=7), 7, 0, now=NOW).group is not None
    assert endings.mark_drained(closing(**{"rev": 7, **fields}), 7, 0, now=NOW) == UNCHANGED


def test_a_replay_that_was_cut_off_ends_by_itself() -> None:
    group = closing(replaying_until=NOW)
    assert not endings.is_replaying(group, NOW)
    assert endings.is_replaying(group, NOW - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("counts_dead", "arrived", "n_dead", "is_told"),
    [(False, 2, 5, False), (False, 3, 0, True), (True, 2, 1, True), (True, 2, 0, False)],
)
def test_results_are_those_in_public_outputs_and_dead_letters_where_asked(
    counts_dead: bool, arrived: int, n_dead: int, is_told: bool
) -> None:
    group = active(n_expected=3, counts_dead=counts_dead)
    counted = {IN: 99, MID: 0, OUT: arrived}
    outcome = endings.mark_results_arrived(group, counted, n_dead, PROFILES, now=NOW)
    told = (ResultsArrived(workflow_id=WORKFLOW, n_results=arrived, n_dead=n_dead),)
    assert outcome.events == (told if is_told else ())


def test_the_queues_of_a_group_that_has_its_results_and_no_levels_are_looked_at_no_more() -> None:
    asked = WorkflowEnding(workflow_id=WORKFLOW, number=1, is_closed=False, levels=[], n_expected=3)
    waiting = endings.apply_ending(active(), asked, now=NOW).group
    assert waiting is not None
    assert waiting.is_ending
    told = endings.mark_results_arrived(waiting, {OUT: 3}, 0, PROFILES, now=NOW).group
    assert told is not None
    assert not told.is_ending
    more = endings.apply_ending(told, asked.model_copy(update={"number": 2, "n_expected": 5}), now=NOW).group
    assert more is not None
    assert more.is_ending
    over = retirement.apply_end(more, WORKFLOW, PROFILES, now=NOW).group
    assert over is not None
    assert not over.is_ending


def test_results_are_not_the_end_while_a_replay_may_be_on_its_way() -> None:
    group = active(n_expected=3, has_unconfirmed_replays=True)
    assert endings.mark_results_arrived(group, {OUT: 3}, 0, PROFILES, now=NOW) == UNCHANGED


def test_how_many_results_came_is_told_again_with_the_end() -> None:
    told = endings.mark_drained(closing(n_discarded=1), 0, 2, 27, now=NOW)
    assert told.events == (QueuesDrained(workflow_id=WORKFLOW, n_dead=2, n_results=27),)
    assert told.group is not None
    assert told.group.n_failed_at_end == 3
    assert endings.apply_ending(told.group, wish(1), now=NOW).events == told.events
