"""How WMS and the TMS of a schedd deal with each other. Each schedd has one port, which its location names. (core)

    EVENTS   WMS sends an order, waits for the answer, and repeats an order that nobody answers.
    REST     WMS offers the work. The TMS polls for it, so WMS waits for nothing and repeats nothing.

Whatever differs between the two ports stands here. `LocationMap.find_port` says which port a schedd has.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TmsPort:
    """One way to deal with a TMS."""

    #: Whether WMS sends orders to the TMS. Without orders the TMS polls for its work.
    takes_orders: bool
    #: How many starts a schedd may have at a time. With orders: few enough that a late, important taskforce soon has
    #: its turn, enough that the schedd never waits for us. Without orders nothing limits the starts under way, and this
    #: is how many the launcher makes in one go.
    start_window: int


EVENTS = TmsPort(takes_orders=True, start_window=4)
REST = TmsPort(takes_orders=False, start_window=50)
