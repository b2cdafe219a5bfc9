"""Handle events that may kill their pilot: run them alone, and give them up after two dead workers. (core)

The broker counts an attempt when a pilot reports a failure, and also when the pilot ends with the event in hand. The
fifth failure makes a dead letter. So an event that comes for a sixth time has ended at least one worker. The cause is
unknown: the kernel, for lack of memory, or the task itself. Without a limit such an event would end one worker after
the other.

    from its fifth attempt on   a suspect: it runs alone, after all others, so that no other event ends with it
    from its seventh on         a dead letter, with the reason `killed-workers`

If a pilot ends with several events in hand, these events come again together. In a fixed order, an innocent event that
waits behind the guilty event would be lost with it each time. So the order reverses with each attempt: after two
attempts every innocent event has run.
"""

from collections.abc import Iterable, Sequence

from pilot.failures.failure import Failure
from pilot.life.stimuli import HeldEvent
from schemas.broker.topology import MAX_ATTEMPTS
from schemas.payloads.data_events import DeadReason

#: From attempt SUSPECT_FROM on, an event is a suspect. From attempt GIVEN_UP_FROM on, the pilot gives the event up: at
#: least two workers have ended with the event in hand.
SUSPECT_FROM = MAX_ATTEMPTS
GIVEN_UP_FROM = MAX_ATTEMPTS + 2


def explain_kills(held: HeldEvent) -> Failure | None:
    """Return None if the event may run. Otherwise return the failure with which the pilot gives it up without a run.

    The pilot gives an event up when at least two workers may have ended while they had it.
    """
    if held.attempt < GIVEN_UP_FROM:
        return None
    return Failure(
        "EventKilledWorkers",
        f"{held.attempt - 1} attempts failed, and workers ended while they had this event: check whether its "
        "task needs more memory (worker_memory), or ends its own worker",
        reason=DeadReason.KILLED_WORKERS,
        final=True,
    )


def choose_next(waiting: Sequence[HeldEvent], busy: Iterable[HeldEvent], n_free: int) -> list[HeldEvent]:
    """Return the events of `waiting` to start now. The events in `busy` run, and `n_free` slots are free."""
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


def is_suspect(held: HeldEvent) -> bool:
    """Return whether the event must run alone: its attempt number is at least `SUSPECT_FROM`."""
    return held.attempt >= SUSPECT_FROM
