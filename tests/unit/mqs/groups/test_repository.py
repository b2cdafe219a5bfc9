"""What MQS holds of a group after a decision is what the store holds."""

from dataclasses import replace
from datetime import UTC, datetime

from mqs.groups import lifecycle
from mqs.groups.admission import Admitted
from mqs.groups.broker_steps import Rules
from mqs.groups.repository import StoredGroup, apply_outcome, group_changes
from runtime.kernel.decision import Update
from tests.unit.mqs.groups.test_lifecycle import request

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def test_a_group_after_its_activation_is_the_one_that_the_changes_store() -> None:
    reserved = lifecycle.apply_request(None, request(), Admitted(), now=NOW, rules=Rules())
    before = apply_outcome(StoredGroup(None), reserved)
    assert before == StoredGroup(reserved.group, reserved.profiles)
    assert before.group is not None
    outcome = lifecycle.mark_active(before.group, before.profiles, now=NOW, rules=Rules())
    after = apply_outcome(before, outcome)
    assert after.group is not None
    assert after.group.rev == before.group.rev + 1
    for change in group_changes(before, outcome):
        assert isinstance(change, Update)
        held = {after.group.workflow_id: after.group, **{profile.mqid: profile for profile in after.profiles}}
        document = held[change.id].model_dump()
        assert {name: document[name] for name in change.set} == change.set
    assert [profile.mqid for profile in after.profiles] == [profile.mqid for profile in before.profiles]


def test_a_decision_that_changes_nothing_leaves_what_was_there() -> None:
    reserved = lifecycle.apply_request(None, request(), Admitted(), now=NOW, rules=Rules())
    before = apply_outcome(StoredGroup(None), reserved)
    assert apply_outcome(before, lifecycle.UNCHANGED) == before
    assert apply_outcome(before, replace(lifecycle.UNCHANGED, profiles=before.profiles[:1])) == before
