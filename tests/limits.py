"""The time limits of tests: every test has one, and one that no signal ends is ended with its process."""

from collections.abc import Iterable

import pytest


def find_unlimited(config: pytest.Config, items: Iterable[pytest.Item]) -> list[str]:
    """Return the names of tests that may run for ever: without a limit of their own or of the suite."""
    chosen = config.getoption("--timeout")
    of_all = float(config.getini("timeout") or 0) if chosen is None else float(chosen)
    return [item.nodeid for item in items if not _find_own_limit(item, of_all) > 0]


def _find_own_limit(item: pytest.Item, of_all: float) -> float:
    marker = item.get_closest_marker("timeout")
    if marker is None:
        return of_all
    limit = marker.kwargs.get("timeout", marker.args[0] if marker.args else of_all)
    return float(limit or 0)
