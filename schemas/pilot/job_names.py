"""Names that a pilot shares with its job: files, chirps, the job's ad, and the local pool's variables. (core)

TMS and the pools write them, and the pilot reads them; chirps go the other way. `schemas.pilot.pilot_wire` has the
variables of the pilot's task.
"""

from enum import StrEnum
from typing import Final

from schemas.pilot.variables import full_name

#: The files in the job's directory: the pilot's variables, and the token for its queues.
TASK_FILE: Final = "ewms_pilot_task.json"
TOKEN_FILE: Final = "ewms_pilot_token"  # noqa: S105 - the name of a file, not a secret

#: The attribute of HTCondor's job. `true`: failures count against their events at once, for the task fails everywhere.
JOB_CHARGES: Final = "EWMSChargesEvents"
#: The variable of the local pool's job. If it is set, failures count at once.
LOCAL_CHARGES: Final = "_EWMS_LOCAL_CHARGES"
#: This variable marks a process of the local pool's job, even when its parents have died: `<cluster>.<proc>.<pid>`.
LOCAL_JOB: Final = "_EWMS_LOCAL_JOB"
#: The variable with the file descriptor of a pipe for chirps, which takes the place of HTCondor's chirp.
CHIRP_FD: Final = "HTCHIRP_FD"
CHIRP_FD_VARIABLE: Final = full_name(CHIRP_FD)

#: How the name of each chirped attribute begins.
CHIRP_PREFIX: Final = "HTChirpEWMSPilot"


class ChirpAttribute(StrEnum):
    """The attributes that a pilot chirps. Source: contract, 8.1."""

    LAST_UPDATED = f"{CHIRP_PREFIX}LastUpdatedTimestamp"
    STARTED_AT = f"{CHIRP_PREFIX}StartedTimestamp"
    STATUS = f"{CHIRP_PREFIX}Status"
    TASKS_TOTAL = f"{CHIRP_PREFIX}TasksTotal"
    TASKS_FAILED = f"{CHIRP_PREFIX}TasksFailed"
    TASKS_SUCCESS = f"{CHIRP_PREFIX}TasksSuccess"
    ERROR = f"{CHIRP_PREFIX}Error"
    ERROR_TRACEBACK = f"{CHIRP_PREFIX}ErrorTraceback"
    #: `<seconds since 1970> <machine>`: the pilot has found its worker bad. Ours, not the contract's.
    BAD_MACHINE = f"{CHIRP_PREFIX}BadMachine"

    @property
    def short_name(self) -> str:
        """Return the name without the prefix."""
        return self.removeprefix(CHIRP_PREFIX)
