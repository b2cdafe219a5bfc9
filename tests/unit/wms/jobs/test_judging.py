"""What a job says of its bad end."""

import pytest

from schemas.automation.jobs import HostState
from wms.jobs.plans.judging import explain_bad_end

OK, FAILED, ERROR = HostState.OK, HostState.FAILED, HostState.ERROR


@pytest.mark.parametrize(
    ("of_tasks", "text"),
    [
        (({OK: 3}, {OK: 3}), ""),
        (({OK: 2, FAILED: 1}, {OK: 2}), "1. drain: 1 failed"),
        (({OK: 2, FAILED: 1}, {OK: 1, ERROR: 1}), "1. drain: 1 failed; 2. patch: 1 in error"),
        (({FAILED: 2, ERROR: 3}, {}), "1. drain: 2 failed, 3 in error"),
    ],
)
def test_a_bad_end_names_the_tasks_and_counts_the_hosts(of_tasks: list[dict[HostState, int]], text: str) -> None:
    assert explain_bad_end(["drain", "patch"], of_tasks) == text
