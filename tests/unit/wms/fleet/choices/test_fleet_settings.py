"""What operators set while WMS runs: each change, what stays of it, and its row in the audit log."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejected
from wms.fleet.choices.fleet_settings import (
    EVERY_USER,
    MAX_QUOTAS,
    Drain,
    FleetSettings,
    OrganizationQuota,
    Quota,
    UserQuota,
    drain_location,
    set_organization_quota,
    set_quota,
    undrain_location,
)

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
NEW = FleetSettings()


def drain(**fields: Any) -> Drain:
    return Drain(**{"schedd": "ap1", "location": "osg", "who": "olga", "at": NOW, **fields})


def test_a_drained_schedd_is_drained_until_it_is_undrained_and_no_other_is() -> None:
    drained, [row] = drain_location(NEW, drain(reason="new disks"))
    assert drained.find_drain("ap1") == drain(reason="new disks")
    assert drained.find_drain("ap2") is None
    assert (row.kind, row.object_id) == ("cluster", "osg")
    assert row.changes == {"drained": [False, True], "reason": ["", "new disks"], "schedd": "ap1"}
    both, _ = drain_location(drained, drain(schedd="ap2", location="chicago"))
    open_again, [row] = undrain_location(both, "ap1")
    assert [one.schedd for one in open_again.drains] == ["ap2"]
    assert row.changes == {"drained": [True, False], "schedd": "ap1"}
    assert undrain_location(open_again, "ap1") == (open_again, [])


def test_a_second_drain_changes_the_reason_and_the_deadline_and_keeps_who_began() -> None:
    first, _ = drain_location(NEW, drain(reason="new disks"))
    end = NOW + timedelta(hours=2)
    second, [row] = drain_location(first, drain(who="omar", at=NOW + timedelta(hours=1), workers_end_at=end))
    assert second.drains == (drain(workers_end_at=end),)
    assert row.changes == {
        "reason": ["new disks", ""],
        "workers_end_at": [None, "2026-11-30 10:00:00+00:00"],
        "schedd": "ap1",
    }
    assert drain_location(second, drain(who="eve", workers_end_at=end)) == (second, [])


def test_a_drained_location_may_turn_out_to_be_lost_and_a_drain_without_that_takes_it_back() -> None:
    drained, _ = drain_location(NEW, drain(reason="a fire"))
    lost, [row] = drain_location(drained, drain(reason="a fire", is_lost=True))
    assert row.changes == {"is_lost": [False, True], "schedd": "ap1"}
    assert lost.drains == (drain(reason="a fire", is_lost=True),)
    _, [row] = drain_location(NEW, drain(is_lost=True))
    assert row.changes == {"drained": [False, True], "is_lost": [False, True], "schedd": "ap1"}
    assert drain_location(lost, drain(reason="a fire"))[0] == drained
    assert undrain_location(lost, "ap1")[0] == NEW


def test_a_lost_location_says_so() -> None:
    lost = drain(reason="a fire", is_lost=True)
    assert lost.loss == "the location osg is lost, says an operator (a fire)"
    assert lost.sentence == (
        "an operator drained osg at 2026-11-30 08:00:00 UTC (a fire), and it is lost: taskforces there end"
    )
    assert drain(is_lost=True).loss == "the location osg is lost, says an operator"


def test_a_drain_says_who_when_and_why() -> None:
    assert drain(reason="new disks").sentence == "an operator drained osg at 2026-11-30 08:00:00 UTC (new disks)"
    assert drain().sentence == "an operator drained osg at 2026-11-30 08:00:00 UTC"


@pytest.mark.parametrize(
    ("own", "all_users", "expected"),
    [
        ((None, None), (None, None), (100, 10)),
        ((None, None), (50, None), (50, 10)),
        ((7, None), (50, 5), (7, 5)),
        ((0, 0), (50, 5), (0, 0)),
    ],
)
def test_the_own_quota_counts_before_that_of_every_user_and_this_before_the_settings(
    own: tuple[int | None, int | None], all_users: tuple[int | None, int | None], expected: tuple[int, int]
) -> None:
    settings = NEW
    for user, (workflows, waiting) in (("ann", own), (EVERY_USER, all_users)):
        settings, _ = set_quota(settings, UserQuota(user=user, workflows=workflows, workflows_waiting=waiting))
    assert settings.find_quota("ann", Quota(100, 10)) == Quota(*expected)


def test_a_quota_without_numbers_goes_and_the_log_says_what_it_was() -> None:
    settings, [row] = set_quota(NEW, UserQuota(user="ann", workflows=7))
    assert (row.kind, row.name, row.changes) == ("quota", "ann", {"workflows": [None, 7]})
    gone, [row] = set_quota(settings, UserQuota(user="ann"))
    assert (gone, row.changes) == (NEW, {"workflows": [7, None]})
    assert set_quota(gone, UserQuota(user="ann")) == (NEW, [])
    _, [row] = set_quota(NEW, UserQuota(user=EVERY_USER, workflows=7))
    assert row.name == "every user"


def test_an_organization_has_no_limit_until_operators_set_one_and_its_admins_see_the_row() -> None:
    assert NEW.find_organization_quota("north") == Quota()
    quota = OrganizationQuota(organization="north", workflows=7)
    settings, [row] = set_organization_quota(NEW, quota)
    assert settings.find_organization_quota("north") == Quota(max_workflows=7)
    assert settings.find_organization_quota("south") == Quota()
    assert settings.find_quota("north", Quota(5)) == Quota(5), "a user of that name is somebody else"
    assert (row.kind, row.name, row.organization) == ("quota", "organization north", "north")
    assert row.changes == {"workflows": [None, 7]}
    assert set_organization_quota(settings, quota) == (settings, [])
    gone, [row] = set_organization_quota(settings, OrganizationQuota(organization="north"))
    assert (gone, row.changes) == (NEW, {"workflows": [7, None]})
    full = FleetSettings(
        organization_quotas=tuple(OrganizationQuota(organization=f"o{n}", workflows=1) for n in range(MAX_QUOTAS))
    )
    with pytest.raises(Rejected, match="at most 1000 organizations"):
        set_organization_quota(full, quota)


def test_more_quotas_than_one_document_holds_are_refused_and_a_full_one_can_be_emptied() -> None:
    full = FleetSettings(quotas=tuple(UserQuota(user=f"u{n}", workflows=1) for n in range(MAX_QUOTAS)))
    with pytest.raises(Rejected, match="at most 1000 users"):
        set_quota(full, UserQuota(user="ann", workflows=1))
    assert len(set_quota(full, UserQuota(user="u1", workflows=2))[0].quotas) == MAX_QUOTAS
    assert len(set_quota(full, UserQuota(user="u1"))[0].quotas) == MAX_QUOTAS - 1


@given(st.lists(st.tuples(st.sampled_from(["ap1", "ap2", "ap3"]), st.booleans()), max_size=12))
def test_the_last_word_about_a_schedd_counts_and_each_is_drained_once(words: list[tuple[str, bool]]) -> None:
    settings = NEW
    for schedd, is_drained in words:
        wish = drain(schedd=schedd, location=schedd)
        settings, _ = drain_location(settings, wish) if is_drained else undrain_location(settings, schedd)
    last = dict(words)
    assert sorted(one.schedd for one in settings.drains) == sorted(
        schedd for schedd, drained in last.items() if drained
    )


@given(st.lists(st.tuples(st.sampled_from(["ap1", "ap2"]), st.text(max_size=3)), max_size=6))
def test_the_settings_survive_the_database(words: list[tuple[str, str]]) -> None:
    settings = NEW
    for schedd, reason in words:
        settings, _ = drain_location(settings, drain(schedd=schedd, reason=reason))
    assert FleetSettings.model_validate(settings.model_dump()) == settings
