"""When a call is worth repeating, and after how long. Pure: `chance` in [0, 1) is drawn outside. (core)"""

#: Answers that the same call may not get again: overload, a dependency away, a proxy without its server.
PASSING = frozenset({429, 502, 503, 504})

_BASE_S = 0.1
CAP_S = 5.0


def pause_s(
    attempt: int, *, remaining_s: float, chance: float, retry_after: str = "", cap_s: float = CAP_S
) -> float | None:
    """Return how long to wait before repeating a call for the `attempt`-th time (from 0); None: give up.

    The server's own wish (`Retry-After`, seconds) is kept, with a jitter on top: clients shall not return together.
    """
    ceiling = min(cap_s, _BASE_S * 2.0 ** min(attempt, 16))
    pause = ceiling * chance
    if retry_after.isascii() and retry_after.isdigit():
        pause += float(retry_after[:6])
    # A call begun with no time left cannot succeed.
    return pause if pause < remaining_s else None
