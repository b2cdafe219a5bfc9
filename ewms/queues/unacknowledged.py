"""Describe lost acknowledgements to a user: the program has handled events, and the broker will deliver them again.
(core)
"""

from collections.abc import Sequence

_NAMED = 3


def describe_unacknowledged(events: Sequence[str], *, remembers: bool) -> str:
    """Return a sentence about `events` (ids) whose acknowledgements are lost.

    `remembers` is whether other programs of this account leave these events out, too.
    """
    named = ", ".join(event or "one without an id" for event in events[:_NAMED])
    more = f" and {len(events) - _NAMED} more" if len(events) > _NAMED else ""
    if not all(events):
        consequence = "EWMS cannot tell an event without an id from others, so you get it again"
    elif remembers:
        consequence = "this loop leaves them out, and so do others of this account for seven days"
    else:
        consequence = "this loop leaves them out, another one gets them again, because remember is off"
    return (
        f"{len(events)} event(s) were dealt with and could not be acknowledged, because the broker had taken them back "
        f"({named}{more}). They come again: {consequence}"
    )
