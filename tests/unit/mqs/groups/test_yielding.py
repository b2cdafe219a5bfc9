"""Idle queues of ended workflows give way to those that wait, and no queue that anybody uses does."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mqs.groups.admission import Deferred, Shortage
from mqs.groups.broker_steps import Remove
from mqs.groups.yielding import choose_removal, find_candidates, find_idle_queues, sum_shortages
from schemas import ids
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import WorkflowId

NOW = datetime(2026, 11, 28, 8, tzinfo=UTC)
WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")
IN, OUT = ids.mqid(1), ids.mqid(2)
DEAD = f"dead.{WORKFLOW}"


def group(
    name: WorkflowId = WORKFLOW, state: GroupState = GroupState.RETIRING, ended_s_ago: float = 0, n_queues: int = 3
) -> MQGroupDocument:
    return MQGroupDocument(
        workflow_id=name,
        timestamp=1.0,
        owner="ada",
        state=state,
        n_queues=n_queues,
        admitted_at=NOW,
        activated_at=NOW,
        over_at=NOW - timedelta(seconds=ended_s_ago),
    )


def profiles(*, shut: bool = True, retired: tuple[str, ...] = ()) -> list[MQProfileDocument]:
    return [
        MQProfileDocument(
            mqid=mqid,
            workflow_id=WORKFLOW,
            timestamp=1.0,
            alias=alias,
            is_public=True,
            is_activated=True,
            position=position,
            is_input=mqid == IN,
            is_output=mqid == OUT,
            shut_at=NOW if shut and mqid == IN else None,
            retired_at=NOW if mqid in retired else None,
        )
        for position, (mqid, alias) in enumerate(((IN, "in"), (OUT, "out")))
    ]


def test_all_that_lies_idle_may_go_and_the_dead_letters_only_as_the_last() -> None:
    assert find_idle_queues(group(), profiles(), set()) == (IN, OUT, DEAD)
    assert find_idle_queues(group(), profiles(), {OUT}) == (IN,)
    assert find_idle_queues(group(), profiles(), {DEAD}) == (IN, OUT)
    assert find_idle_queues(group(), profiles(retired=(IN,)), set()) == (OUT, DEAD)
    assert find_idle_queues(group(), profiles(retired=(IN, OUT)), {DEAD}) == ()


def test_a_queue_that_lets_events_in_stays() -> None:
    assert find_idle_queues(group(), profiles(shut=False), set()) == (OUT,)


def test_only_ended_workflows_give_way() -> None:
    for state in (GroupState.RESERVED, GroupState.ACTIVE, GroupState.RETIRED):
        assert find_idle_queues(group(state=state), profiles(), set()) == ()
        assert choose_removal(group(state=state), profiles(), [{OUT}]) is None


@given(st.lists(st.sets(st.sampled_from([IN, OUT, DEAD])), min_size=1, max_size=3))
def test_nothing_is_deleted_that_was_in_use_at_any_look(looks: list[set[str]]) -> None:
    what = choose_removal(group(), profiles(), [find_idle_queues(group(), profiles(), in_use) for in_use in looks])
    in_use = set().union(*looks)
    gone = {*what.mqids, *([DEAD] if what.with_dead_letters else [])} if what else set()
    assert not gone & in_use
    # The dead letters stay as long as another queue of the workflow does.
    assert gone == {IN, OUT, DEAD} - in_use - ({DEAD} if in_use else set())


def test_a_queue_that_went_between_the_looks_is_not_deleted_again() -> None:
    assert choose_removal(group(), profiles(retired=(OUT,)), [{IN, OUT}, {IN}]) == Remove(
        (IN,), with_dead_letters=False
    )


def test_workflows_that_ended_first_give_way_first_and_an_owner_at_its_limit_to_itself() -> None:
    old, new, gone = WorkflowId("WF-old"), WorkflowId("WF-new"), WorkflowId("WF-gone")
    groups = {
        new: group(new, ended_s_ago=1),
        old: group(old, ended_s_ago=9),
        gone: group(gone, GroupState.RETIRED, n_queues=0),
    }
    owners = {old: "ada", new: "bob", gone: "ada"}
    assert find_candidates(groups, owners, Shortage(1)) == [old, new]
    assert find_candidates(groups, owners, Shortage(1, "bob")) == [new]
    assert find_candidates(groups, owners, Shortage(1, "eve")) == []


def test_shortages_add_up_by_whose_queues_would_help() -> None:
    verdicts = [
        Deferred("", Shortage(2)),
        Deferred("", Shortage(3)),
        Deferred("", Shortage(4, "ada")),
        Deferred("too many bytes"),
    ]
    assert sum_shortages(verdicts) == (Shortage(5), Shortage(4, "ada"))
