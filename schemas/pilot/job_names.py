"""Names that a pilot shares with its job: files, chirps, the job's ad, and the local pool's variables. (core)

TMS and the pools write these, and the pilot reads them; chirps go from the pilot to TMS. `schemas.pilot.pilot_wire` has
the variables of the pilot's task.
"""

from enum import StrEnum
from typing import Final

from schemas.pilot.variables import full_name

#: The files in the job's directory: the pilot's variables, the token for its queues, and the secrets of its task.
TASK_FILE: Final = "ewms_pilot_task.json"
TOKEN_FILE: Final = "ewms_pilot_token"  # noqa: S105 - the name of a file, not a secret

SECRETS_FILE: Final = "ewms_pilot_secrets"
#: The files that only their owner may read, and that no archive keeps.
PRIVATE_FILES: Final = (TOKEN_FILE, SECRETS_FILE)

#: The attribute of HTCondor's job. If `true`, the task fails on all workers, so failures count against events at once.
JOB_CHARGES: Final = "EWMSChargesEvents"
#: The same for a job of the local pool: if this variable is set, failures count at once.
LOCAL_CHARGES: Final = "_EWMS_LOCAL_CHARGES"
#: This variable marks each process of a local pool's job, even after its parents have died: `<cluster>.<proc>.<pid>`.
LOCAL_JOB: Final = "_EWMS_LOCAL_JOB"
#: The variable with the file descriptor of a pipe for chirps. The local pool has it instead of HTCondor's chirp.
CHIRP_FD: Final = "HTCHIRP_FD"
CHIRP_FD_VARIABLE: Final = full_name(CHIRP_FD)

#: The prefix of all chirped attributes.
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
    #: `<seconds since 1970> <machine>`: the pilot has found its worker bad. The contract lacks this attribute.
    BAD_MACHINE = f"{CHIRP_PREFIX}BadMachine"
    #: What the pilot has done so far: `schemas.pilot.work_report`. The contract lacks this attribute.
    WORK = f"{CHIRP_PREFIX}Work"

    @property
    def short_name(self) -> str:
        """The name without the prefix."""
        return self.removeprefix(CHIRP_PREFIX)
