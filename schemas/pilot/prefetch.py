"""How many events a pilot should hold, by how long its task takes. (core)

If tasks are short, the round trip to the broker would take most of the time, so a few events wait in the pilot. If
tasks are long, no event waits there: a free worker could run it. Source: docs/reference/goals.md#pilot.
"""

#: Tasks count as short once their mean time falls below `SHORT_S`, and as long once the mean exceeds `LONG_S`.
SHORT_S, LONG_S = 0.25, 0.5

#: For each slot the pilot holds about so much work (seconds) of very short tasks, but no more events than this in all.
#: Otherwise every event would wait for the broker.
HELD_WORK_S = 0.02
MOST_HELD = 64


def count_held(mean_s: float) -> int:
    """Return how many runs of `mean_s` seconds fill `HELD_WORK_S`: one at least, `MOST_HELD` at most."""
    return int(max(1.0, min(MOST_HELD, HELD_WORK_S / mean_s))) if mean_s > 0 else MOST_HELD


def count_prefetch(concurrency: int, *, is_short: bool, per_slot: int = 1) -> int:
    """Return how many unsettled events each queue may deliver to a pilot with `concurrency` slots.

    `per_slot` is about how many runs fill `HELD_WORK_S`.
    """
    if not is_short:
        return concurrency
    return max(2 * concurrency + 2, min(MOST_HELD, concurrency * (per_slot + 1)))
