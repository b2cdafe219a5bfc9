"""Put into words why HTCondor holds a job: the text after `HELD: ` in a status. (core)

HTCondor's own text names files, hosts and limits, so it differs from job to job. There are only few codes and subcodes,
so TMS counts jobs with the same code and subcode together. Source: HTCondor manual, "Hold Reason Codes".
"""

import errno
from collections.abc import Mapping
from signal import Signals

from schemas.fleet.statuses import HOLD_OF_KILL, HOLD_OF_PAUSE
from tms.jobs.restarts import PAUSE_CODE, SIGNAL_MARK

_REASONS: Mapping[int, str] = {
    1: "Put on hold by a user",
    3: f"The pilot ended early; it {HOLD_OF_PAUSE}",
    4: "The job's credentials are invalid",
    5: "A job policy expression is undefined",
    6: "The executable could not be started",
    7: "The standard output file could not be opened",
    8: "The standard input file could not be opened",
    9: "The standard output stream could not be opened",
    10: "The standard input stream could not be opened",
    11: "File transfer: protocol error",
    12: "Output files could not be transferred",
    13: "Input files could not be transferred",
    14: "The job's initial directory cannot be accessed",
    15: "Submitted on hold",
    16: "Input files are being spooled",
    17: "The shadow does not fit the job",
    18: "File transfer: protocol error",
    19: "A prepare-job hook failed",
    20: "The job missed its execution time",
    21: "The worker's policy held it",
    22: "The job event log could not be opened",
    23: "The user account could not be accessed",
    24: "No compatible shadow",
    25: "Invalid cron settings",
    26: "The pool's policy held it",
    27: "The pool's policy is undefined",
    28: "Waiting for other jobs",
    32: "The input files are larger than the pool allows",
    33: "The output files are larger than the pool allows",
    34: "Memory usage exceeds a memory limit",
    35: "The container image is invalid",
    36: "The job failed at its checkpoint signal",
    43: "A pre script failed",
    44: "A post script failed",
    45: "The worker's container runtime failed its test",
    46: "The job's allowed duration was exceeded",
    47: "The job's allowed execution time was exceeded",
    48: "A prepare-job hook of the shadow failed",
}
#: Pairs of code and subcode with another meaning than the code alone.
_SUBREASONS: Mapping[tuple[int, int], str] = {
    (26, 102): "Memory usage exceeds a memory limit",
    (26, 104): "Disk usage exceeds a disk limit",
    (34, 104): "Disk usage exceeds a disk limit",
}
#: The codes whose subcode is an errno. Codes 12 and 13 carry it in the upper bytes of the subcode.
_ERRNO_CODES = frozenset({6, 7, 8, 9, 10, 14})
_TRANSFER_CODES = frozenset({12, 13})


def hold_reason(code: int, subcode: int) -> str:
    """Return the reason of a hold in words. For an unknown code, return the two numbers."""
    if code == PAUSE_CODE and subcode >= SIGNAL_MARK:
        return f"The pilot {HOLD_OF_KILL}{name_signal(subcode // SIGNAL_MARK)}; it {HOLD_OF_PAUSE}"
    if (reason := _SUBREASONS.get((code, subcode))) is not None:
        return reason
    if (reason := _REASONS.get(code)) is None:
        return f"Code {code} subcode {subcode}"
    number = subcode if code in _ERRNO_CODES else subcode >> 8 if code in _TRANSFER_CODES else 0
    return f"{reason} ({errno.errorcode[number]})" if number in errno.errorcode else reason


def hold_class(code: int) -> str:
    """Return the reason of a hold as a metric's label: one of a few texts."""
    return _REASONS.get(code, "other")


def name_signal(number: int) -> str:
    """Return the name of a signal, with its usual cause if the name does not tell it."""
    try:
        name = Signals(number).name
    except ValueError:
        return f"signal {number}"
    # The kernel ends processes by SIGKILL when memory runs out, and names no cause.
    return f"{name} (most often out of memory)" if name == "SIGKILL" else name
