"""What is said of an object beside the contract's fields."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.phases import Phase
from wms.gateway.objects import stale

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age_s", "phase", "expected"),
    [
        (None, Phase.CONDOR_SUBMIT, False),
        (15, Phase.CONDOR_SUBMIT, False),
        (60, Phase.CONDOR_SUBMIT, False),
        (61, Phase.CONDOR_SUBMIT, True),
        (61, Phase.CONDOR_RM, True),
        (86_400, Phase.CONDOR_COMPLETE, False),
    ],
)
def test_statuses_older_than_a_minute_are_stale_while_the_cluster_is_there(
    age_s: int | None, phase: Phase, expected: bool
) -> None:
    as_of = None if age_s is None else NOW - timedelta(seconds=age_s)
    assert stale({"phase": phase, "status_as_of": as_of}, NOW) is expected
