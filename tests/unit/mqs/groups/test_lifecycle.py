"""A group's life: every stimulus in every state, and any story at all."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqs.groups import foreign_groups, lifecycle, retirement
from mqs.groups.admission import Admitted, Deferred, Verdict
from mqs.groups.broker_steps import Declare, Forget, Look, Open, Remind, Remove, Rules, Shut, next_step
from mqs.groups.lifecycle import UNCHANGED, GroupDecision
from schemas import ids
from schemas.events import Payload, QueuesActivated, QueuesDeferred, WorkflowRequested
from schemas.fleet.documents import QueuePlan
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Alias, WorkflowId

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")
RULES = Rules()
IN, PRIVATE, OUT = (ids.mqid(n) for n in (1, 2, 3))
MIN = timedelta(minutes=1)


def request(schedds: tuple[str, ...] = ("ap1",)) -> WorkflowRequested:
    return WorkflowRequested(
        workflow_id=WORKFLOW,
        priority=70,
        owner="ada",
        projects=["icecube"],
        queues=[
            QueuePlan(mqid=IN, alias=Alias("in"), is_public=True, is_input=True),
            QueuePlan(mqid=PRIVATE, alias=Alias("mid"), is_public=False, is_input=True, is_output=True),
            QueuePlan(mqid=OUT, alias=Alias("out"), is_public=True, is_output=True),
        ],
        schedds=list(schedds),
        requested_at=NOW,
    )


@dataclass
class World:
    """A group as the store would keep it, and the queues as a broker would."""

    group: MQGroupDocument | None = None
    profiles: list[MQProfileDocument] = field(default_factory=list)
    events: list[Payload] = field(default_factory=list)
    on_broker: set[str] = field(default_factory=set)
    shut: set[str] = field(default_factory=set)
    n_reminders: int = 0

    def apply(self, outcome: GroupDecision) -> GroupDecision:
        self.group = outcome.group or self.group
        changed = {profile.mqid: profile for profile in outcome.profiles}
        kept = [changed.pop(profile.mqid, profile) for profile in self.profiles]
        self.profiles = [*kept, *changed.values()]
        self.events += outcome.events
        return outcome

    def request(self, verdict: Verdict, now: datetime = NOW) -> GroupDecision:
        return self.apply(lifecycle.apply_request(self.group, request(), verdict, now=now, rules=RULES))

    def over(self, now: datetime = NOW) -> GroupDecision:
        return self.apply(retirement.apply_end(self.group, WORKFLOW, self.profiles, now=now))

    def work(self, now: datetime, *, in_use: bool = False, crash: bool = False) -> None:
        """Do what the state asks for; with `crash` the broker has it and the record does not."""
        for _ in range(10):
            if self.group is None:
                return
            task = next_step(self.group, self.profiles, now, RULES)
            if isinstance(task, Look) and self.group.state is GroupState.ACTIVE:
                self.apply(foreign_groups.apply_look(self.group, in_use=in_use, now=now, rules=RULES))
                continue
            if isinstance(task, Look):
                after = retirement.apply_look(self.group, self.profiles, in_use=in_use, now=now, rules=RULES)
                if isinstance(after, Remove):
                    task = after
                elif crash:
                    return
                else:
                    self.apply(after)
                    continue
            match task:
                case None:
                    return
                case Declare():
                    self.on_broker |= {profile.mqid for profile in self.profiles} | {"dead"}
                    outcome = lifecycle.mark_active(self.group, self.profiles, now=now, rules=RULES)
                case Open():
                    outcome = lifecycle.mark_open(self.group, now=now, rules=RULES)
                case Forget():
                    outcome = foreign_groups.forget_group(self.group, self.profiles, now=now, rules=RULES)
                case Remind():
                    self.n_reminders += not crash
                    outcome = lifecycle.remind_wms(self.group, now=now, rules=RULES)
                case Shut():
                    self.shut |= set(task.mqids)
                    outcome = retirement.mark_shut(self.group, self.profiles, task, now=now)
                case Remove():
                    self.on_broker -= {*task.mqids, *(["dead"] if task.with_dead_letters else [])}
                    outcome = retirement.mark_removed(self.group, self.profiles, task, now=now, rules=RULES)
            if crash:
                return
            self.apply(outcome)
        pytest.fail("the group never rests")

    def state(self) -> GroupState:
        assert self.group is not None
        return self.group.state


def active() -> World:
    world = World()
    world.request(Admitted())
    world.work(NOW)
    return world


def test_a_request_that_is_admitted_is_written_down_before_anything_is_created() -> None:
    world = World()
    outcome = world.request(Admitted())
    assert world.group is not None
    assert (world.state(), world.group.admitted_at, world.group.n_queues) == (GroupState.RESERVED, NOW, 4)
    assert world.group.criteria is None
    assert [(p.position, p.mqid, p.is_activated) for p in world.profiles] == [
        (0, IN, False),
        (1, PRIVATE, False),
        (2, OUT, False),
    ]
    assert {profile.timestamp for profile in world.profiles} == {world.group.timestamp}
    assert outcome.events == ()
    assert world.group.wake_at == NOW + RULES.retry
    assert next_step(world.group, world.profiles, NOW, RULES) == Declare()


def test_activation_tells_wms_and_shows_the_criteria() -> None:
    world = active()
    assert world.group is not None
    assert world.state() is GroupState.ACTIVE
    assert world.group.criteria == {"priority": 70}
    assert world.group.wake_at == NOW + RULES.remind
    assert all(profile.is_activated for profile in world.profiles)
    assert world.events == [QueuesActivated(workflow_id=WORKFLOW)]


def test_active_queues_are_opened_and_until_then_the_timers_come_back_soon() -> None:
    world = World()
    world.request(Admitted())
    assert world.group is not None
    world.apply(lifecycle.mark_active(world.group, world.profiles, now=NOW, rules=RULES))
    assert (world.group.is_open, world.group.wake_at) == (False, NOW + RULES.retry)
    assert next_step(world.group, world.profiles, NOW, RULES) == Open()
    foreign = world.group.model_copy(update={"owner": "", "site": "wms-a"})
    assert next_step(foreign, world.profiles, NOW, RULES) == Open()
    closed = world.group.model_copy(update={"closed_at": NOW})
    assert next_step(closed, world.profiles, NOW, RULES) == Open(), "what is not bound cannot be shut"
    world.apply(lifecycle.mark_open(world.group, now=NOW + MIN, rules=RULES))
    assert (world.group.is_open, world.group.wake_at) == (True, NOW + MIN + RULES.remind)
    assert lifecycle.mark_open(world.group, now=NOW + MIN, rules=RULES) == UNCHANGED


def test_queues_whose_workflow_ends_before_they_are_open_go_at_once() -> None:
    world = World()
    world.request(Admitted())
    assert world.group is not None
    world.on_broker = {IN, PRIVATE, OUT, "dead"}
    world.apply(lifecycle.mark_active(world.group, world.profiles, now=NOW, rules=RULES))
    world.over()
    assert lifecycle.mark_open(world.group, now=NOW, rules=RULES) == UNCHANGED
    assert next_step(world.group, world.profiles, NOW, RULES) == Remove((IN, PRIVATE, OUT), with_dead_letters=True)
    world.work(NOW)
    assert (world.state(), world.on_broker) == (GroupState.RETIRED, set())


def test_a_group_from_before_mqs_recorded_openings_is_open() -> None:
    world = active()
    assert world.group is not None
    stored = world.group.model_dump()
    del stored["is_open"]
    assert MQGroupDocument.model_validate(stored).is_open


def test_a_deferred_request_is_told_why_once_and_is_activated_after_a_release() -> None:
    world = World()
    world.request(Deferred("full"))
    world.work(NOW)
    assert world.on_broker == set()
    assert world.group is not None
    world.apply(lifecycle.apply_verdict(world.group, Deferred("still full"), now=NOW + MIN, rules=RULES))
    assert world.group.deferred == "still full"
    assert world.group.wake_at == NOW + MIN + RULES.defer
    world.apply(lifecycle.apply_verdict(world.group, Admitted(), now=NOW + 2 * MIN, rules=RULES))
    world.work(NOW + 2 * MIN)
    assert world.state() is GroupState.ACTIVE
    assert world.group.deferred == ""
    assert world.events == [
        QueuesDeferred(workflow_id=WORKFLOW, reason="full"),
        QueuesActivated(workflow_id=WORKFLOW),
    ]


def test_a_repeated_request_is_answered_again_and_changes_nothing() -> None:
    world = active()
    assert world.request(Deferred("full")) == GroupDecision(events=(QueuesActivated(workflow_id=WORKFLOW),))
    waiting = World()
    waiting.request(Deferred("full"))
    assert waiting.request(Admitted()) == GroupDecision(events=(QueuesDeferred(workflow_id=WORKFLOW, reason="full"),))
    under_way = World()
    under_way.request(Admitted())
    assert under_way.request(Deferred("full")) == UNCHANGED


def test_a_repeated_request_may_bring_another_schedd() -> None:
    world = active()
    world.apply(lifecycle.apply_request(world.group, request(("ap2", "ap1")), Admitted(), now=NOW, rules=RULES))
    assert world.group is not None
    assert world.group.schedds == ["ap1", "ap2"]
    assert world.state() is GroupState.ACTIVE


@pytest.mark.parametrize("verdict", [Admitted(), Deferred("full")])
def test_the_end_of_a_workflow_before_its_activation_cancels_it(verdict: Verdict) -> None:
    world = World()
    world.request(verdict)
    world.over()
    world.work(NOW)
    assert world.state() is GroupState.RETIRED
    assert QueuesActivated(workflow_id=WORKFLOW) not in world.events
    assert all(profile.retired_at is not None for profile in world.profiles)
    assert lifecycle.count_held(world.group) == 0


def test_queues_whose_activation_was_overtaken_by_the_end_are_deleted_at_once() -> None:
    world = World()
    world.request(Admitted())
    world.work(NOW, crash=True)
    assert world.on_broker
    world.over()
    world.work(NOW)
    assert world.on_broker == set()
    assert world.state() is GroupState.RETIRED


def test_an_end_that_overtakes_the_request_leaves_no_queues_behind() -> None:
    world = World()
    world.over()
    world.request(Admitted())
    world.work(NOW)
    assert world.on_broker == set()
    assert world.state() is GroupState.RETIRED
    assert world.events == []


def test_private_queues_go_at_once_and_the_others_stay_for_their_users() -> None:
    world = active()
    world.over()
    world.work(NOW)
    assert world.on_broker == {IN, OUT, "dead"}
    assert lifecycle.count_held(world.group) == 3
    assert [profile.is_activated for profile in world.profiles] == [True, False, True]
    assert world.state() is GroupState.RETIRING


def test_nothing_more_gets_into_public_inputs_once_the_workflow_is_over_and_outputs_stay_as_they_are() -> None:
    world = active()
    assert world.shut == set()
    world.over()
    assert world.group is not None
    assert next_step(world.group, world.profiles, NOW, RULES) == Shut((IN,))
    world.work(NOW, crash=True)
    assert [profile.shut_at for profile in world.profiles] == [None, None, None]
    world.work(NOW + MIN)
    assert world.shut == {IN}
    assert [profile.shut_at for profile in world.profiles] == [NOW + MIN, None, None], "once"
    assert [profile.is_activated for profile in world.profiles] == [True, False, True]
    world.work(NOW + timedelta(days=8))
    assert retirement.mark_shut(world.group, world.profiles, Shut((IN,)), now=NOW) == UNCHANGED


def test_public_queues_go_when_they_were_unused_for_ten_minutes() -> None:
    world = active()
    world.over()
    for minute in range(4):
        world.work(NOW + minute * MIN, in_use=minute == 3)
    for minute in range(4, 13):
        world.work(NOW + minute * MIN)
    assert world.state() is GroupState.RETIRING, "used at minute 3, so not before minute 13"
    world.work(NOW + 13 * MIN)
    assert world.state() is GroupState.RETIRED
    assert world.on_broker == set()


def test_public_queues_go_after_the_retention_time_whatever_is_in_them() -> None:
    world = active()
    world.over()
    for hour in range(7 * 24):
        world.work(NOW + timedelta(hours=hour), in_use=True)
    assert world.state() is GroupState.RETIRING
    world.work(NOW + timedelta(days=7), in_use=True)
    assert world.state() is GroupState.RETIRED


def test_a_look_is_taken_once_a_minute_not_more_often() -> None:
    world = active()
    world.over()
    world.work(NOW)
    assert world.group is not None
    assert next_step(world.group, world.profiles, NOW + MIN / 2, RULES) is None
    assert next_step(world.group, world.profiles, NOW + MIN, RULES) == Look((IN, OUT))


def test_what_comes_after_the_end_changes_nothing() -> None:
    world = active()
    world.over()
    world.work(NOW)
    before = world.group
    assert world.over(NOW + MIN) == UNCHANGED
    assert world.request(Admitted()) == UNCHANGED
    assert before is not None
    assert lifecycle.mark_active(before, world.profiles, now=NOW, rules=RULES) == UNCHANGED
    assert lifecycle.apply_verdict(before, Admitted(), now=NOW, rules=RULES) == UNCHANGED


ORDER = list(GroupState)

_story = st.lists(
    st.one_of(
        st.tuples(st.just("request"), st.booleans()),
        st.tuples(st.just("reconsider"), st.booleans()),
        st.tuples(st.just("over"), st.just(False)),
        st.tuples(st.just("work"), st.booleans()),
        st.tuples(st.just("crash"), st.booleans()),
        st.tuples(st.just("wait"), st.integers(0, 60 * 24)),
    ),
    max_size=25,
)


@given(_story)
def test_in_any_story_states_only_move_forward_and_nothing_is_left_behind(story: list[tuple[str, int]]) -> None:
    world, now, was_over = World(), NOW, False
    for what, value in story:
        before = world.group
        verdict: Verdict = Admitted() if value else Deferred("full")
        match what:
            case "request":
                world.request(verdict, now)
            case "reconsider" if world.group is not None:
                world.apply(lifecycle.apply_verdict(world.group, verdict, now=now, rules=RULES))
            case "over":
                world.over(now)
                was_over = True
            case "work":
                world.work(now, in_use=bool(value))
            case "crash":
                world.work(now, in_use=bool(value), crash=True)
            case "wait":
                now += value * MIN
        if before is not None and world.group is not None:
            assert ORDER.index(before.state) <= ORDER.index(world.group.state)
        if world.group is not None:
            # The books never say less than what the broker has.
            assert len(world.on_broker) <= lifecycle.count_held(world.group)
            assert (world.group.criteria is not None) == (world.group.activated_at is not None)
        elif world.on_broker:
            pytest.fail("queues without a group")
    n_requests = sum(what == "request" for what, _ in story)
    assert sum(isinstance(event, QueuesActivated) for event in world.events) <= 1 + n_requests + world.n_reminders
    if was_over:
        # However it came about, the end is reached by the timers alone.
        for _ in range(9):
            world.work(now, in_use=True)
            now += timedelta(days=1)
        assert world.state() is GroupState.RETIRED
        assert world.on_broker == set()


def test_wms_is_told_again_of_active_queues_now_and_then_so_that_a_lost_end_is_said_again() -> None:
    world = active()
    world.work(NOW + RULES.remind - MIN)
    assert world.events == [QueuesActivated(workflow_id=WORKFLOW)]
    world.work(NOW + RULES.remind)
    world.work(NOW + RULES.remind + MIN)
    assert world.events == [QueuesActivated(workflow_id=WORKFLOW)] * 2
    world.over(NOW + 2 * RULES.remind)
    world.work(NOW + 2 * RULES.remind)
    assert len(world.events) == 2, "what is over is no news"


def test_wms_hears_nothing_of_queues_that_another_wms_has_reserved() -> None:
    world = World()
    world.request(Admitted())
    assert world.group is not None
    world.group = world.group.model_copy(update={"owner": ""})
    world.work(NOW)
    world.work(NOW + 2 * RULES.remind)
    assert world.state() is GroupState.ACTIVE
    assert not world.events
