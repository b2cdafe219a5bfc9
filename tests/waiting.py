"""Wait until something is true. Every test and campaign waits by these functions, and a wait in vain says for what.

    wait_until(lambda: log.exists())                     in a plain test
    await eventually(lambda: relay.n_sent == 3)          in an async test; the condition may be async too
    wait_until(run.depths, lambda found: found.n_dead)   returns what it found, and shows that when it fails
    holds_within(lambda: n == 3, within_s=60)            True or False, where waiting in vain is a result

Each looks at once, and then again and again until its patience ends. A busy machine is slow, so be patient: a test that
passes does not wait longer for it.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

PATIENCE_S = 90.0
PAUSE_S = 0.05


def holds_within(condition: Callable[[], object], within_s: float, *, pause_s: float = PAUSE_S) -> bool:
    """Return True as soon as `condition` returns something true, or False after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause_s)
    return True


def wait_until(
    condition: Callable[[], Any],
    holds: Callable[[Any], object] = bool,
    *,
    within_s: float = PATIENCE_S,
    pause_s: float = PAUSE_S,
    show: Callable[[], object] | None = None,
) -> Any:
    """Return what `condition` returns, as soon as that is true, or as soon as `holds` is true of it.

    Raises:
        AssertionError: it was not within `within_s` seconds. The text has the condition, what it returned last, and
            what `show` returns then.
    """
    last = _Last(condition, holds)
    if not holds_within(last.look, within_s, pause_s=pause_s):
        raise AssertionError(_describe(last, within_s, show))
    return last.found


async def eventually(
    condition: Callable[[], Any | Awaitable[Any]],
    holds: Callable[[Any], object] = bool,
    *,
    within_s: float = PATIENCE_S,
    pause_s: float = PAUSE_S,
    show: Callable[[], object] | None = None,
) -> Any:
    """Do as `wait_until`, for async tests. The condition may return an awaitable: its result counts."""
    last = _Last(condition, holds)
    try:
        async with asyncio.timeout(within_s) as patience:
            while not await last.look_async():
                await asyncio.sleep(pause_s)
    except TimeoutError:
        if not patience.expired():
            raise
        raise AssertionError(_describe(last, within_s, show)) from None
    return last.found


class _Last:
    """A condition, with what it returned last."""

    def __init__(self, condition: Callable[[], Any], holds: Callable[[Any], object]) -> None:
        self.condition = condition
        self.holds = holds
        self.found: Any = "nothing yet"

    def look(self) -> object:
        self.found = self.condition()
        return self.holds(self.found)

    async def look_async(self) -> object:
        found = self.condition()
        self.found = await found if inspect.isawaitable(found) else found
        return self.holds(self.found)


def _describe(last: _Last, within_s: float, show: Callable[[], object] | None) -> str:
    shown = "" if show is None else f"\n{show()}"
    return f"waited {within_s:g} s in vain for {_name(last.condition)}; it was {last.found!r}{shown}"


def _name(condition: Callable[[], Any]) -> str:
    """Return the lines that define a lambda, or the name of another function."""
    if isinstance(condition, partial):
        return _name(condition.func)
    name: str = getattr(condition, "__qualname__", repr(condition))
    if "<lambda>" not in name:
        return f"{name}()"
    try:
        return f"`{inspect.getsource(condition).strip()}`"
    except OSError:
        return name
