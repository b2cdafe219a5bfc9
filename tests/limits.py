"""The time limits of tests: every test has one, and one that no signal ends is ended with its process."""

import signal
from collections.abc import Iterable

import pytest

#: Seconds after which a test that goes on beyond its limit is told again. An event loop catches what a signal raises
#: within one of its callbacks, so that the first time may be lost.
AGAIN_S = 30.0


def repeat_alarm() -> None:
    """Let the alarm of pytest-timeout that is set ring again and again, until pytest-timeout takes it back."""
    left_s, _ = signal.getitimer(signal.ITIMER_REAL)
    if left_s > 0:
        signal.setitimer(signal.ITIMER_REAL, left_s, AGAIN_S)


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
