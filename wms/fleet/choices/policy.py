"""The operator's choices for all decisions about workflows. (core)"""

from dataclasses import dataclass, field

from schemas.fleet.documents import TaskforceDocument
from wms.fleet.choices.locations import LocationMap
from wms.fleet.choices.tms_port import TmsPort

#: The default of `FleetPolicy.max_failures`.
MAX_FAILURES = 3


@dataclass(frozen=True, slots=True)
class FleetPolicy:
    """The locations where taskforces run, and the number of failures after which WMS gives up."""

    locations: LocationMap = field(default_factory=lambda: LocationMap({}))
    #: After this many failures, WMS gives up the start of a taskforce, and tries a removal less often.
    max_failures: int = MAX_FAILURES

    def find_port(self, taskforce: TaskforceDocument) -> TmsPort:
        """Return the TMS port of the schedd of `taskforce`."""
        return self.locations.find_port(taskforce.schedd)

    def count_workers(self, taskforce: TaskforceDocument) -> int:
        """Return how many workers `taskforce` gets: its own number, or the default of its location."""
        if taskforce.n_workers is not None:
            return taskforce.n_workers
        if taskforce.default_n_workers is not None:
            return taskforce.default_n_workers
        return self.locations.default_n_workers.get(taskforce.schedd, 1)
