"""When HTCondor ends a job or a cluster by itself: the expression, evaluated by HTCondor's own library."""

import time
from typing import Any

import classad2
import pytest

from tests.unit.tms.orders import PLAIN, built
from tms.jobs.submit_description import build_commands

RUNNING, HELD, IDLE = 2, 5, 1
DAY_S = 86_400


@pytest.mark.parametrize(
    ("ago", "attributes", "ends"),
    [
        ({}, {"JobStatus": IDLE}, False),
        ({"QDate": 14 * DAY_S - 60}, {"JobStatus": IDLE}, False),
        ({"QDate": 14 * DAY_S + 60}, {"JobStatus": IDLE}, True),
        # A worker whose time is over starts again, which `periodic_vacate` says.
        ({"JobCurrentStartExecutingDate": 7200 + 60}, {"JobStatus": RUNNING}, False),
        ({"EnteredCurrentStatus": 3600 - 60}, {"JobStatus": HELD, "HoldReasonCode": 34}, False),
        ({"EnteredCurrentStatus": 3600 + 60}, {"JobStatus": HELD, "HoldReasonCode": 34}, True),
        ({"EnteredCurrentStatus": 3600 + 60}, {"JobStatus": HELD}, True),
        # What a person holds, that person releases.
        ({"EnteredCurrentStatus": DAY_S}, {"JobStatus": HELD, "HoldReasonCode": 1}, False),
        ({"EnteredCurrentStatus": 3600 + 60}, {"JobStatus": IDLE}, False),
    ],
)
def test_what_ends_by_itself(ago: dict[str, int], attributes: dict[str, Any], ends: bool) -> None:
    now = int(time.time())
    instants = {name: now - seconds for name, seconds in ({"QDate": 0, "EnteredCurrentStatus": 0} | ago).items()}
    ad = classad2.ClassAd({**instants, **attributes})
    ad["Ends"] = classad2.ExprTree(str(build_commands(built(PLAIN))["periodic_remove"]))
    assert (ad.eval("Ends") is True) == ends
