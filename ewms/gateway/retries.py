"""Decide whether to repeat a call, and after how long. (core)"""

#: HTTP statuses that are worth a repetition: overload, a dependency that is down, a proxy without its server.
PASSING = frozenset({429, 502, 503, 504})

_BASE_S = 0.1
CAP_S = 5.0


def retry_pause_s(
    attempt: int, *, remaining_s: float, chance: float, retry_after: str = "", cap_s: float = CAP_S
) -> float | None:
    """Return the pause in seconds before repetition number `attempt` (from 0) of a call.

    Return None if the pause would not end before `remaining_s`. The pause is `chance` (random, 0 to 1) times a limit
    that doubles from 0.1 s to `cap_s`, plus the server's `Retry-After` in seconds.
    """
    ceiling = min(cap_s, _BASE_S * 2.0 ** min(attempt, 16))
    pause = ceiling * chance
    if retry_after.isascii() and retry_after.isdigit():
        pause += float(retry_after[:6])
    # A call that starts when no time is left cannot succeed.
    return pause if pause < remaining_s else None
