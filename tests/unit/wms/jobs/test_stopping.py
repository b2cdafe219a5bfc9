"""Why a work of a job stops."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.automation.jobs import JobDocument
from wms.jobs.plans.stopping import CANCELED, find_stop

BEGAN = datetime(2026, 11, 30, tzinfo=UTC)


def make_job(timeout_s: float | None) -> JobDocument:
    return cast("JobDocument", SimpleNamespace(created_at=BEGAN, timeout_s=timeout_s))


@pytest.mark.parametrize(
    ("timeout_s", "after_s", "is_canceling", "stops"),
    [
        (None, 1e6, False, False),
        (60.0, 59.9, False, False),
        (60.0, 60.0, False, True),
        (None, 0.0, True, True),
        (60.0, 90.0, True, True),
    ],
)
def test_a_job_stops_when_it_is_canceled_or_out_of_time(
    timeout_s: float | None, after_s: float, is_canceling: Any, stops: Any
) -> None:
    found = find_stop(make_job(timeout_s), BEGAN + timedelta(seconds=after_s), is_canceling=is_canceling)
    assert (found is not None) == stops
    if found is not None:
        assert (found is CANCELED) == is_canceling


def test_the_reason_names_the_limit() -> None:
    found = find_stop(make_job(90.0), BEGAN + timedelta(seconds=100), is_canceling=False)
    assert found is not None
    assert found.not_begun == "no task ran: the job's time limit of 90 s was over before a worker came"
    assert "in doubt: the job's time limit of 90 s was over" in found.in_doubt
