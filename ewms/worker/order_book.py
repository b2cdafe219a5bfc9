"""Decide which orders a worker carries out: each attempt once, and no order that is too old. (core)"""

from collections import OrderedDict
from datetime import datetime
from enum import StrEnum

from schemas.events import NodeRun

#: An attempt and, for a poll, the number of the look. WMS repeats an order until it hears of the end.
OrderKey = tuple[int, str, int, int]

#: How many ended attempts a worker remembers, so that it recognises repeated orders.
_REMEMBERED = 10_000


class OrderVerdict(StrEnum):
    """What a worker does with an order."""

    CARRY_OUT = "carry out"
    #: It is under way here, or has ended here.
    REPEATED = "repeated"
    #: It is too old: WMS has sent another one since.
    EXPIRED = "expired"
    #: The worker that had it is gone, perhaps because of it. WMS counts that, and sends it again.
    LOST = "lost"


def key_of(order: NodeRun) -> OrderKey:
    """Return the run, node, attempt and poll of `order`. No two different orders have the same."""
    return (order.run, order.node, order.attempt, order.n_polls)


class OrderBook:
    """The orders under way, and those that have ended lately."""

    def __init__(self) -> None:
        self._running: set[OrderKey] = set()
        self._ended: OrderedDict[OrderKey, None] = OrderedDict()

    @property
    def n_running(self) -> int:
        """How many orders are under way."""
        return len(self._running)

    def begin_order(self, order: NodeRun, now: datetime, *, is_redelivered: bool) -> OrderVerdict:
        """Decide what to do with `order`, and return that. Remember `order` if it is to be carried out."""
        key = key_of(order)
        if self.knows_order(order):
            return OrderVerdict.REPEATED
        if is_redelivered:
            return OrderVerdict.LOST
        if order.valid_until is not None and order.valid_until < now:
            return OrderVerdict.EXPIRED
        self._running.add(key)
        return OrderVerdict.CARRY_OUT

    def knows_order(self, order: NodeRun) -> bool:
        """Return whether this worker is carrying out `order`, or has done so lately."""
        key = key_of(order)
        return key in self._running or key in self._ended

    def forget_order(self, order: NodeRun) -> None:
        """Forget `order`, because this worker does not carry it out after all."""
        self._running.discard(key_of(order))

    def end_order(self, order: NodeRun) -> None:
        """Note that WMS has got the report of the end of `order`."""
        key = key_of(order)
        self._running.discard(key)
        self._ended[key] = None
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
