"""The statuses of jobs and of their pilots, and how many jobs of a taskforce have which two statuses.

    {"RUNNING": {"Tasking": 41, "null": 3}, "HELD: Memory usage exceeds a memory limit": {"Tasking": 2}}

The keys on the wire are the contract's (3.7): HTCondor's name of a job status, with the reason after `HELD`, and the
status that the pilot chirped last, or `"null"` if the pilot has not chirped yet.
"""

from enum import StrEnum


class JobStatus(StrEnum):
    """A job's status in HTCondor. `IDLE` includes jobs that late materialization has not made yet."""

    IDLE = "IDLE"
    RUNNING = "RUNNING"
    REMOVED = "REMOVED"
    COMPLETED = "COMPLETED"
    HELD = "HELD"
    SUSPENDED = "SUSPENDED"


#: What the text of a hold says if the job waits for its next start, and before the signal that ended its pilot.
HOLD_OF_PAUSE = "starts again after a pause"
HOLD_OF_KILL = "was killed by "


class PilotStatus(StrEnum):
    """The status of a pilot, as the pilot last chirped. Source: contract, 8.1."""

    STARTED = "Started"
    RUNNING_INIT_COMMAND = "RunningInitCommand"
    AWAITING_FIRST_MESSAGE = "AwaitingFirstMessage"
    TASKING = "Tasking"
    PENDING_REMAINING_TASKS = "PendingRemainingTasks"
    FATAL_ERROR = "FatalError"
    DONE = "Done"


#: Pilots with these statuses take events. A pilot that has had an event stays `TASKING` while it waits for the next.
TAKING_EVENTS = frozenset({PilotStatus.AWAITING_FIRST_MESSAGE, PilotStatus.TASKING})

#: The word in JSON for a pilot or a job without a status so far.
SILENT = "null"

#: job status -> pilot status -> number of jobs.
CompoundStatuses = dict[str, dict[str, int]]

#: error text -> number of jobs whose last error has this text.
TopTaskErrors = dict[str, int]
