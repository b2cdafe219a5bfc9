"""Which orders a worker carries out: each attempt once, and none that is too old. (core)"""

from collections import OrderedDict
from datetime import datetime
from enum import StrEnum

from schemas.events import NodeRun

#: An attempt, and its look where it is a poll. WMS repeats an order until it hears of the end.
OrderKey = tuple[int, str, int, int]

#: So many ended attempts are remembered, to know a repeated order of theirs.
_REMEMBERED = 10_000


class OrderVerdict(StrEnum):
    """What to do with an order."""

    CARRY_OUT = "carry out"
    #: It is under way here, or has ended here.
    REPEATED = "repeated"
    #: WMS has sent it anew since.
    EXPIRED = "expired"


def key_of(order: NodeRun) -> OrderKey:
    """Return what tells this order from others."""
    return (order.run, order.node, order.attempt, order.n_polls)


class OrderBook:
    """The orders under way, and those that have ended of late."""

    def __init__(self) -> None:
        self._running: set[OrderKey] = set()
        self._ended: OrderedDict[OrderKey, None] = OrderedDict()

    @property
    def n_running(self) -> int:
        """How many orders are under way."""
        return len(self._running)

    def begin_order(self, order: NodeRun, now: datetime, *, is_redelivered: bool) -> OrderVerdict:
        """Return what to do with `order`, and note it if it is to be carried out.

        One that the broker delivers again was lost with its worker, so its age does not matter.
        """
        key = key_of(order)
        if key in self._running or key in self._ended:
            return OrderVerdict.REPEATED
        if order.valid_until is not None and order.valid_until < now and not is_redelivered:
            return OrderVerdict.EXPIRED
        self._running.add(key)
        return OrderVerdict.CARRY_OUT

    def end_order(self, order: NodeRun) -> None:
        """Note that WMS has heard how `order` ended."""
        key = key_of(order)
        self._running.discard(key)
        self._ended[key] = None
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
