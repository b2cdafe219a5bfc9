"""How `make test` spreads the tests over its workers: whole files, what takes longest first.

Each worker starts the servers that its tests ask for, once, and keeps them. Files that share a whole running system
go to one worker, which starts that system once:

    system        tests/system, on the system with HTCondor
    chosen        tests/system, on the system with other choices
    conformance   tests/contract/conformance
    fuzz          tests/fuzz

Everything else goes file by file to the next worker that has time. A long file that comes last leaves the other workers
idle, so the files with real services come first, those known to be long ahead of them, and the unit tests fill the end.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

#: Beginning of a path -> its group; the first that fits.
_GROUPS = {
    "tests/system/test_deployment_choices.py": "chosen",
    "tests/system/test_failures.py": "chosen",
    "tests/system/test_stalled.py": "chosen",
    "tests/system/test_ways_in.py": "chosen",
    "tests/system/": "system",
    "tests/contract/conformance/": "conformance",
    "tests/fuzz/": "fuzz",
}

#: Beginnings of paths, what takes longest first. A file belongs to the longest that it begins with.
_ORDER = (
    "tests/system/",
    "tests/integration/deploy/test_lasting_system.py",
    "tests/integration/deploy/test_ordinary_user.py",
    "tests/integration/deploy/test_without_namespaces.py",
    "tests/integration/deploy/test_going_on.py",
    "tests/fuzz/",
    "tests/contract/conformance/",
    "tests/integration/tms/",
    "tests/integration/",
    "tests/unit/",
)


def group_of(nodeid: str) -> str:
    """Return the group of a test. One worker runs all tests of a group, in order."""
    path = nodeid.partition("::")[0]
    return next((group for start, group in _GROUPS.items() if path.startswith(start)), path)


def place_of(nodeid: str) -> int:
    """Return the place of a test's file in the order, from 0; files at one place keep theirs among themselves."""
    path = nodeid.partition("::")[0]
    return max(range(len(_ORDER)), key=lambda place: len(_ORDER[place]) if path.startswith(_ORDER[place]) else -1)


class LongestFirst(LoadScopeScheduling):
    """Give groups of tests to workers in the order in which the workers collected them."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        """Keep the collected order; pytest-xdist would begin with the group of the most tests."""
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
