"""What the events of a job event log mean for a job, and how much of a log TMS keeps. (core)"""

from collections.abc import Mapping

from schemas.fleet.statuses import JobStatus
from tms.log.job_events import EventType

#: The status of a job after an event. A job goes back to the queue when it was evicted, when its shadow died, and when
#: HTCondor could not reach it again. An unsuspended job goes on running.
#: Source: HTCondor manual, "Job Event Log Codes".
STATUS_AFTER: Mapping[EventType, JobStatus] = {
    EventType.SUBMIT: JobStatus.IDLE,
    EventType.EXECUTE: JobStatus.RUNNING,
    EventType.JOB_EVICTED: JobStatus.IDLE,
    EventType.SHADOW_EXCEPTION: JobStatus.IDLE,
    EventType.JOB_RECONNECT_FAILED: JobStatus.IDLE,
    EventType.JOB_ABORTED: JobStatus.REMOVED,
    EventType.JOB_SUSPENDED: JobStatus.SUSPENDED,
    EventType.JOB_UNSUSPENDED: JobStatus.RUNNING,
    EventType.JOB_RELEASED: JobStatus.IDLE,
}

#: Whether HTCondor loses or regains contact to a running job's machine. After a restart of the whole pool it has lost
#: contact to all jobs, and tries to regain it until their leases are over.
LOSES_CONTACT: Mapping[EventType, bool] = {EventType.JOB_DISCONNECTED: True, EventType.JOB_RECONNECTED: False}

#: Marks a job that no event has named yet. Other indexes into `Tally.statuses` are greater.
UNSEEN = 0

#: A job that has left its worker, or whose machine HTCondor cannot reach, shows no pilot. But HTCondor logs an eviction
#: just before the hold or removal that caused it, and a held or removed job does show its pilot's last word. So an
#: eviction keeps the word and marks it.
SILENCED = 0x80

#: The first entries of `Tally.statuses`: the mark for unseen jobs, then HTCondor's statuses.
INDEX: Mapping[JobStatus, int] = {status: n for n, status in enumerate(JobStatus, start=1)}
INDEX_AFTER: Mapping[EventType, int] = {event: INDEX[status] for event, status in STATUS_AFTER.items()}
IDLE, RUNNING, SUSPENDED = INDEX[JobStatus.IDLE], INDEX[JobStatus.RUNNING], INDEX[JobStatus.SUSPENDED]
ON_A_WORKER = (RUNNING, SUSPENDED)
ENDS = (INDEX[JobStatus.COMPLETED], INDEX[JobStatus.REMOVED])
#: A job that has ended does not get these statuses. It can only run again, or be held because of its end.
AFTER_NO_END = (IDLE, *ENDS)

#: As many jobs as an access point can hold, and more than any taskforce has. A ProcId above it is a broken record.
MAX_PROCS = 1_000_000
#: How many texts pilots may add to a taskforce's tables, and the longest error in characters. User code writes these
#: texts, so they need limits.
MAX_WORDS = 100
MAX_ERRORS = 1000
MAX_ERROR_LENGTH = 1000
MAX_HOLD_REASONS = 100

#: Of so many jobs TMS remembers the slot, so that a checkpoint stays small.
MAX_SLOTS = 5000

TOP_ERRORS = 10
OTHER = "(other)"


def find_or_add_word(table: list[str], word: str, *, limit: int, other: str) -> int:
    """Return the index of `word` in `table`. Add the word if it is new; in a full table, use `other` for it."""
    try:
        return table.index(word)
    except ValueError:
        pass
    if len(table) >= limit:
        word = other
    if word not in table:
        table.append(word)
    return table.index(word)


def choose_shown_word(pilot: int) -> int:
    """Return the index of the word that a job shows. It is 0 for a silenced one."""
    return 0 if pilot & SILENCED else pilot
