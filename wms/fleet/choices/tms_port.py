"""The ways in which WMS and the TMS of a schedd work together. Each schedd has one port, which its location names.
(core)

    EVENTS   WMS sends an order, waits for the answer, and repeats an order that is not answered.
    REST     WMS offers the work. The TMS polls for it, so WMS waits for nothing and repeats nothing.

Every difference between the two ports is in this module. `LocationMap.find_port` returns the port of a schedd.
"""

from dataclasses import dataclass
from datetime import datetime

from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.phases import Phase
from wms.fleet.choices.pauses import failure_pause


@dataclass(frozen=True, slots=True)
class TmsPort:
    """One way in which WMS and a TMS work together."""

    #: Whether WMS sends orders to the TMS. Without orders the TMS polls for its work.
    takes_orders: bool
    #: With orders: how many unanswered starts a schedd may have. With fewer, the schedd would wait for WMS; with more,
    #: an important taskforce that comes late would wait too long for its turn.
    #: Without orders: how many starts the launcher makes in one go. Nothing limits how many a TMS has under way.
    start_window: int
    #: Whether the TMS repeats statuses that have not changed. Then old statuses show that it has stopped reporting.
    repeats_statuses: bool

    def is_start_open(self, taskforce: TaskforceDocument) -> bool:
        """Return whether the start of `taskforce` has no answer yet. Only then does WMS record a failed submission."""
        if taskforce.phase is not Phase.PENDING_STARTER:
            return False
        return taskforce.asked_at is not None if self.takes_orders else not taskforce.stuck

    def is_removal_open(self, taskforce: TaskforceDocument) -> bool:
        """Return whether the removal of `taskforce` has no answer yet. Only then does WMS record a failed removal."""
        if not self.takes_orders:
            return taskforce.phase is not Phase.CONDOR_COMPLETE
        return (
            taskforce.phase is Phase.PENDING_STOPPER and taskforce.ended_at is None and taskforce.asked_at is not None
        )

    def find_start_retry(self, n_failures: int, now: datetime) -> datetime | None:
        """Return when WMS tries a start again after its last failure. Return None if the TMS polls: it pauses by
        itself.
        """
        return now + failure_pause(n_failures) if self.takes_orders else None

    def find_removal_retry(self, n_failures: int, now: datetime, *, is_hopeless: bool) -> datetime | None:
        """Return when WMS tries a removal again after its last failure. Return None if it does so at once.

        A TMS that polls gets the taskforce again at once, until its removal is hopeless (contract, 1.2). Even then WMS
        tries for ever, less and less often: it must not forget a cluster that may run (G6).
        """
        return now + failure_pause(n_failures) if self.takes_orders or is_hopeless else None


EVENTS = TmsPort(takes_orders=True, start_window=4, repeats_statuses=True)
REST = TmsPort(takes_orders=False, start_window=50, repeats_statuses=False)
