"""How the suite is spread over workers: one system for each group, the long files first, the unit tests last."""

from pathlib import Path

import pytest

from tests.scheduling import group_of, place_of

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/system/test_story.py::test_a[x/y]", "system"),
        ("tests/system/test_ways_in.py::test_a", "chosen"),
        ("tests/contract/conformance/test_find.py::test_a", "conformance"),
        ("tests/fuzz/test_filters.py::test_a", "fuzz"),
        ("tests/unit/wms/gateway/test_auth.py::TestA::test_a", "tests/unit/wms/gateway/test_auth.py"),
    ],
)
def test_tests_that_share_a_system_share_a_worker_and_all_others_go_by_file(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group


def test_the_files_with_a_place_of_their_own_come_before_the_rest_and_unit_tests_last() -> None:
    files = [
        "tests/system/test_story.py",
        "tests/integration/deploy/test_lasting_system.py",
        "tests/fuzz/test_filters.py",
        "tests/integration/mqs/test_groups.py",
        "tests/unit/wms/gateway/test_auth.py",
    ]
    assert [place_of(file) for file in files] == sorted(place_of(file) for file in files)
    assert all((ROOT / file).exists() for file in files)
