"""Events that may kill their pilot. (core)

The broker counts an attempt when a pilot says that it failed, and also when the pilot ends with the event in hand. The
fifth failure makes a dead letter, so an event that comes for a sixth time has ended at least one worker. Nobody says
why: the kernel, for memory, or the task itself. Without a bound such an event ends one worker after the other.

    from its fifth attempt on   a suspect: it runs alone, after all others, so that no other event ends with it
    from its seventh on         a dead letter, with the reason `killed-workers`

Events that were in hand together come together again. One order would take an innocent event down with the guilty one
each time, so the order turns round with each attempt: after two of them every innocent event has run before it.
"""

from collections.abc import Iterable, Sequence

from pilot.errors import Failure
from pilot.life.stimuli import Held
from schemas.payloads.data_events import DeadReason
from schemas.topology import MAX_ATTEMPTS

#: A suspect comes for this attempt at least, and is given up from this one on: at least two workers have ended.
SUSPECT_FROM = MAX_ATTEMPTS
GIVEN_UP_FROM = MAX_ATTEMPTS + 2


def explain_kills(held: Held) -> Failure | None:
    """Return why an event is given up without another run; None: it is run."""
    if held.attempt < GIVEN_UP_FROM:
        return None
    return Failure(
        "EventKilledWorkers",
        f"{held.attempt - 1} attempts came to nothing, and workers ended while they had this event: look whether its "
        "task needs more memory (worker_memory), or ends its own worker",
        reason=DeadReason.KILLED_WORKERS,
        final=True,
    )


def choose_next(waiting: Sequence[Held], busy: Iterable[Held], n_free: int) -> list[Held]:
    """Return which of `waiting` start now, given what runs and how many slots are free."""
    busy = tuple(busy)
    if n_free <= 0 or any(is_suspect(held) for held in busy):
        return []
    plain = [held for held in waiting if not is_suspect(held)]
    if plain:
        return plain[:n_free]
    if busy or not waiting:
        return []
    fewest = min(held.attempt for held in waiting)
    equal = [held for held in waiting if held.attempt == fewest]
    return [equal[0] if fewest % 2 else equal[-1]]


def is_suspect(held: Held) -> bool:
    """Return whether the event must run alone."""
    return held.attempt >= SUSPECT_FROM
