"""What the operator has chosen and every decision about a workflow respects. (core)"""

from dataclasses import dataclass, field

from schemas.documents import TaskforceDocument
from wms.fleet.locations import LocationMap
from wms.fleet.tms_port import TmsPort

#: After this many failures, log nothing more and do not try a start again. The operator can set another number.
MAX_FAILURES = 3


@dataclass(frozen=True, slots=True)
class FleetPolicy:
    """Where taskforces run, and when WMS gives up."""

    locations: LocationMap = field(default_factory=lambda: LocationMap({}))
    #: After this many failures, give up the start of a taskforce, and try its removal less often.
    max_failures: int = MAX_FAILURES

    def find_port(self, taskforce: TaskforceDocument) -> TmsPort:
        """Return how WMS deals with the TMS of `taskforce`."""
        return self.locations.find_port(taskforce.schedd)

    def count_workers(self, taskforce: TaskforceDocument) -> int:
        """Return how many workers `taskforce` gets. An older version stored taskforces without their default."""
        if taskforce.n_workers is not None:
            return taskforce.n_workers
        if taskforce.default_n_workers is not None:
            return taskforce.default_n_workers
        return self.locations.default_n_workers.get(taskforce.schedd, 1)
