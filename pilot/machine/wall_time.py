"""Convert times of the event loop's clock to instants."""

import asyncio
import time
from datetime import UTC, datetime


def to_instant(at_s: float) -> datetime:
    """Return the instant at which the event loop's clock showed `at_s` seconds."""
    return datetime.fromtimestamp(time.time() - (asyncio.get_running_loop().time() - at_s), UTC)


def read_now() -> datetime:
    """Return the present instant."""
    return datetime.fromtimestamp(time.time(), UTC)
