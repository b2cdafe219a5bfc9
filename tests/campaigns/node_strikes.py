"""(core) Which parts of a system of several nodes are struck, how long each may be missed, and how a run is judged."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.broker.services import Service
from schemas.broker.topology import pool_service, requests_queue

#: How long an event, a process or a question may take at most while a part is away and comes back, in seconds: F12 of
#: the goals for the processes and the database; a broker's node has the 30 s that a broker alone has.
BROKER_S, OTHERS_S = 30.0, 10.0
#: What a busy machine adds.
MACHINE_S = 10.0

#: The parts that are a node of the broker: the one that leads this queue of the control vhost, or the one of this name.
LEADERS: Mapping[str, str] = {
    "the broker node of questions": requests_queue(Service.WMS),
    "the broker node of steps": pool_service("default"),
}
BROKER_NODES = ("RabbitMQ-2", "RabbitMQ", *LEADERS)

#: How long a part is away. By default RabbitMQ gives the events in the hands of a lost node's clients to others only
#: after a minute, or when the node is back: so a node is away for longer.
BROKER_AWAY_S, OTHERS_AWAY_S = 75.0, 6.0

#: The parts in the order of their strikes, and the limit of each.
LIMITS_S: Mapping[str, float] = {
    **dict.fromkeys(BROKER_NODES, BROKER_S),
    "the primary mongod": OTHERS_S,
    "mqs on duty": OTHERS_S,
    "wms": OTHERS_S,
    "wms-2": OTHERS_S,
    "tms": OTHERS_S,
    "tms-2": OTHERS_S,
    "worker": OTHERS_S,
}


def choose_away_s(part: str) -> float:
    """Return for how many seconds `part` is away."""
    return BROKER_AWAY_S if part in BROKER_NODES else OTHERS_AWAY_S


@dataclass(slots=True)
class Strike:
    """One part that was killed and brought back, and what its users noticed. Times are those of one monotonic clock."""

    part: str
    killed_at_s: float
    #: When the part was ready again.
    back_at_s: float = 0.0
    #: When the next strike begins, or the run ends.
    until_s: float = 0.0
    #: How long the process that began at the kill took; None: it did not complete.
    process_s: float | None = None

    def longest_s(self, events: Mapping[int, tuple[float, float]]) -> float:
        """Return the longest time that an event sent in this strike's time was under way. `events` has (sent, back)."""
        times = [back - sent for sent, back in events.values() if self.killed_at_s <= sent < self.until_s]
        return max(times, default=0.0)


@dataclass(slots=True)
class Ledger:
    """What a user of the struck system was promised and got."""

    #: Number of an event -> when the broker confirmed it.
    sent_at_s: dict[int, float] = field(default_factory=dict)
    #: Each result, with the number of its event.
    received: list[tuple[int, float]] = field(default_factory=list)
    #: Gateway -> the questions to it: when it was asked, and when it answered; None: it refused or did not answer.
    answers: dict[str, list[tuple[float, float | None]]] = field(default_factory=dict)

    @property
    def under_way(self) -> dict[int, tuple[float, float]]:
        """The events that are back: when each was sent, and when it came back for the first time."""
        back: dict[int, float] = {}
        for number, at_s in self.received:
            back.setdefault(number, at_s)
        return {number: (self.sent_at_s[number], at_s) for number, at_s in back.items() if number in self.sent_at_s}

    @property
    def lost(self) -> list[int]:
        """The confirmed events that did not come back."""
        return sorted(self.sent_at_s.keys() - {number for number, _ in self.received})

    @property
    def repeated(self) -> dict[int, int]:
        """The events that the client's results brought more than once, and how often."""
        return {number: n for number, n in Counter(number for number, _ in self.received).items() if n > 1}

    def longest_silence_s(self, strike: Strike) -> float:
        """Return for how long no gateway answered a question in the time of `strike`."""
        good = sorted(at_s for answers in self.answers.values() for _, at_s in answers if at_s is not None)
        inside = [strike.killed_at_s, *(at_s for at_s in good if strike.killed_at_s < at_s < strike.until_s)]
        return max((after - before for before, after in zip(inside, [*inside[1:], strike.until_s], strict=True)))


def find_faults(ledger: Ledger, strikes: Sequence[Strike], limits_s: Mapping[str, float] = LIMITS_S) -> list[str]:
    """Return what broke a promise, in words; empty if all was kept."""
    faults = [f"the event {number} is lost" for number in ledger.lost]
    faults += [f"the event {number} came {n} times" for number, n in ledger.repeated.items()]
    under_way = ledger.under_way
    for strike in strikes:
        limit_s = limits_s[strike.part] + MACHINE_S
        seen: Iterable[tuple[str, float | None]] = (
            ("an event was under way", strike.longest_s(under_way)),
            ("no gateway answered", ledger.longest_silence_s(strike)),
            ("a process took", strike.process_s),
        )
        for what, time_s in seen:
            if time_s is None:
                faults.append(f"{strike.part}: the process that began at the kill did not complete")
            elif time_s > limit_s:
                faults.append(f"{strike.part}: {what} for {time_s:.1f} s, more than {limit_s:g} s")
    return faults
