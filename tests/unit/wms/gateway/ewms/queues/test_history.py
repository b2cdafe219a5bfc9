"""Which queues the route of the history takes."""

import pytest

from schemas.errors import Rejected
from schemas.fleet.documents import QueuePlan
from schemas.ids import Mqid
from wms.gateway.ewms.queues.history import choose_queues

PLANS = [QueuePlan.model_construct(mqid=Mqid(f"q{n}"), alias=f"q{n}", is_public=False) for n in range(4999)]


def test_a_request_gets_the_queues_that_it_names_or_all() -> None:
    assert choose_queues(PLANS[:3], None, 2000) == PLANS[:3]
    assert choose_queues(PLANS, "q9,q7", 2000) == [PLANS[7], PLANS[9]]
    assert choose_queues([], None, 300) == []


@pytest.mark.parametrize(
    ("n_queues", "named", "n_points", "why"),
    [
        (4999, None, 1, "'mqids': must name at most 200 of the workflow's 4999 queues, not 4999"),
        (200, None, 301, "'points': must be at most 300 for 200 queues"),
        (3, "q0,x", 1, "'mqids': the workflow has no queue 'x'"),
    ],
)
def test_too_large_an_answer_is_refused(n_queues: int, named: str | None, n_points: int, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        choose_queues(PLANS[:n_queues], named, n_points)
