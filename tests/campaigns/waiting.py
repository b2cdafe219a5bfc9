"""Wait until something is true, for as long as a campaign is patient."""

import time
from collections.abc import Callable


def wait_until(is_true: Callable[[], bool], patience_s: float) -> None:
    """Return when `is_true` returns true, or after `patience_s` seconds."""
    deadline = time.monotonic() + patience_s
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.3)
