"""Queues of another WMS: named, asked for, of use as long as anybody shows it, and abandoned after that."""

from datetime import datetime, timedelta

import pytest

from mqs.groups import foreign_groups, lifecycle
from mqs.groups.admission import Admitted, Deferred
from mqs.groups.broker_steps import Forget, next_step
from mqs.groups.lifecycle import UNCHANGED, GroupDecision
from schemas.fleet.queue_documents import GroupState
from schemas.ids import Alias
from tests.unit.mqs.groups.test_lifecycle import IN, NOW, OUT, RULES, WORKFLOW, World, active

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

#: Whose WMS reserves.
SITE = "wms-a"


class Foreign(World):
    """A group as another WMS makes it, with one public queue and one private."""

    def reserve(self, now: datetime = NOW) -> GroupDecision:
        queues = [(IN, Alias("in")), (OUT, Alias("out"))]
        return self.apply(
            foreign_groups.reserve_group(
                self.group, self.profiles, WORKFLOW, queues, [Alias("in")], site=SITE, now=now, rules=RULES
            )
        )

    def activate(self, now: datetime = NOW) -> None:
        assert self.group is not None
        self.apply(foreign_groups.request_activation(self.group, 7, Admitted(), now=now, rules=RULES))
        self.work(now)

    def use(self, now: datetime) -> GroupDecision:
        return self.apply(foreign_groups.note_use(self.group, now=now, rules=RULES))


@pytest.fixture
def foreign() -> Foreign:
    world = Foreign()
    world.reserve()
    return world


def look_hourly(world: World, since: datetime, until: datetime, *, in_use: bool = False) -> None:
    while since < until:
        world.work(since, in_use=in_use)
        since += HOUR


def test_names_that_nobody_asks_queues_for_are_forgotten_after_the_retention_time(foreign: Foreign) -> None:
    foreign.work(NOW + 7 * DAY - HOUR)
    assert foreign.state() is GroupState.RESERVED
    assert foreign.group is not None
    assert foreign.group.wake_at == NOW + 7 * DAY
    assert next_step(foreign.group, foreign.profiles, NOW + 7 * DAY, RULES) == Forget()
    foreign.work(NOW + 7 * DAY)
    assert foreign.state() is GroupState.RETIRED
    assert all(profile.retired_at for profile in foreign.profiles)
    assert foreign.on_broker == set()


def test_queues_that_nobody_uses_go_after_the_retention_time_and_not_before(foreign: Foreign) -> None:
    foreign.activate()
    look_hourly(foreign, NOW, NOW + 7 * DAY)
    assert foreign.state() is GroupState.ACTIVE
    assert foreign.on_broker == {IN, OUT, "dead"}
    look_hourly(foreign, NOW + 7 * DAY, NOW + 7 * DAY + 2 * HOUR)
    assert foreign.state() is GroupState.RETIRED
    assert foreign.on_broker == set()
    assert lifecycle.count_held(foreign.group) == 0
    assert foreign.events == [], "nobody here is to hear of it"


def test_queues_that_were_made_late_have_the_retention_time_from_then_on(foreign: Foreign) -> None:
    assert foreign.group is not None
    foreign.apply(foreign_groups.request_activation(foreign.group, 7, Deferred("full"), now=NOW, rules=RULES))
    late = NOW + 8 * DAY
    foreign.apply(lifecycle.apply_verdict(foreign.group, Admitted(), now=late, rules=RULES))
    look_hourly(foreign, late, late + 7 * DAY)
    assert foreign.state() is GroupState.ACTIVE
    look_hourly(foreign, late + 7 * DAY, late + 7 * DAY + 2 * HOUR)
    assert foreign.state() is GroupState.RETIRED


def test_events_in_them_keep_them_for_as_long_as_they_lie_there(foreign: Foreign) -> None:
    foreign.activate()
    look_hourly(foreign, NOW, NOW + 30 * DAY, in_use=True)
    look_hourly(foreign, NOW + 30 * DAY, NOW + 36 * DAY)
    assert foreign.state() is GroupState.ACTIVE
    look_hourly(foreign, NOW + 36 * DAY, NOW + 37 * DAY + HOUR)
    assert foreign.state() is GroupState.RETIRED


def test_whoever_asks_for_a_token_may_use_them_for_as_long_as_that_lives(foreign: Foreign) -> None:
    foreign.activate()
    for day in range(0, 30, 6):
        assert foreign.use(NOW + day * DAY) != UNCHANGED
        look_hourly(foreign, NOW + day * DAY, NOW + (day + 6) * DAY)
        assert foreign.state() is GroupState.ACTIVE
    assert foreign.use(NOW + 31 * DAY) != UNCHANGED
    assert foreign.use(NOW + 31 * DAY + RULES.look / 2) == UNCHANGED, "a burst of questions is one use"


def test_an_abandoned_group_is_reserved_again_under_its_names(foreign: Foreign) -> None:
    foreign.activate()
    names = [profile.mqid for profile in foreign.profiles]
    assert foreign.reserve(NOW + DAY) == UNCHANGED, "as long as it is there"
    look_hourly(foreign, NOW, NOW + 8 * DAY)
    assert foreign.state() is GroupState.RETIRED
    foreign.reserve(NOW + 9 * DAY)
    assert foreign.state() is GroupState.RESERVED
    foreign.work(NOW + 9 * DAY)
    assert foreign.on_broker == set(), "named only, until it is asked for"
    foreign.activate(NOW + 10 * DAY)
    assert foreign.state() is GroupState.ACTIVE
    assert [profile.mqid for profile in foreign.profiles] == names
    assert all(p.is_activated and p.retired_at is None and p.shut_at is None for p in foreign.profiles)
    look_hourly(foreign, NOW + 10 * DAY, NOW + 18 * DAY)
    assert foreign.state() is GroupState.RETIRED


def test_nothing_of_this_touches_a_workflow_of_ours() -> None:
    ours = active()
    assert ours.group is not None
    assert foreign_groups.note_use(ours.group, now=NOW + DAY, rules=RULES) == UNCHANGED
    assert foreign_groups.apply_look(ours.group, in_use=False, now=NOW + 30 * DAY, rules=RULES) == UNCHANGED
    assert foreign_groups.forget_group(ours.group, ours.profiles, now=NOW + 30 * DAY, rules=RULES) == UNCHANGED
    ours.over(NOW)
    look_hourly(ours, NOW, NOW + 2 * HOUR)
    assert ours.state() is GroupState.RETIRED
    again = foreign_groups.reserve_group(ours.group, ours.profiles, WORKFLOW, [], [], site=SITE, now=NOW, rules=RULES)
    assert again == UNCHANGED
    early = World()
    early.over()
    assert foreign_groups.reserve_group(early.group, (), WORKFLOW, [], [], site=SITE, now=NOW, rules=RULES) == UNCHANGED
