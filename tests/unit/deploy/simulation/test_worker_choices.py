"""Which numbers of workers are simulated."""

from collections.abc import Mapping, Sequence

import pytest

from deploy.simulation.worker_choices import NamedTask, list_choices
from schemas.errors import Rejected

TASKS = (NamedTask("TK-1", "reco", 8), NamedTask("TK-2", "fit", 1), NamedTask("TK-3", "fit", 100))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [(2, 1, 25), (4, 1, 50), (8, 1, 100), (16, 2, 200), (32, 4, 400)]),
        # The past is always among them.
        ({"reco": [1, 20]}, [(1, 1, 100), (8, 1, 100), (20, 1, 100)]),
        ({"TK-2": [2], "reco": [9, 9, 8]}, [(8, 1, 100), (8, 2, 100), (9, 2, 100)]),
        # One task under two words.
        ({"TK-1": [9], "reco": [10]}, [(8, 1, 100), (9, 1, 100), (10, 1, 100)]),
    ],
)
def test_the_choices_ascend_and_hold_the_past(
    wanted: Mapping[str, Sequence[int]], expected: list[tuple[int, ...]]
) -> None:
    assert [tuple(one.values()) for one in list_choices(TASKS, wanted)] == expected


@pytest.mark.parametrize(
    ("wanted", "reason", "hint"),
    [
        ({"recon": [1]}, "has no task 'recon'", "TK-1 (reco)"),
        ({"fit": [1]}, "'fit' is the name of 2 tasks", "TK-3 (fit)"),
        ({"reco": [4, 0]}, "at least 1 worker, and 0 is given", "give 1 or more"),
        ({"reco": [-3]}, "at least 1 worker, and -3 is given", "give 1 or more"),
        ({"reco": [99_900]}, "100001 workers together", "smaller numbers"),
        ({"reco": range(1, 9), "TK-2": range(1, 9)}, "64 combinations, and a simulation has at most 50", "fewer"),
    ],
)
def test_a_wrong_wish_is_refused_with_a_remedy(wanted: Mapping[str, Sequence[int]], reason: str, hint: str) -> None:
    with pytest.raises(Rejected, match=reason) as refused:
        list_choices(TASKS, wanted)
    assert hint in refused.value.hint
