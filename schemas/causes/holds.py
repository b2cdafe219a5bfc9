"""The causes of holds: HTCondor keeps a job in its queue and does not run it.

A TMS reports the reason of a hold in the words of `tms.log.hold_reasons`. Each cause here names the beginnings of the
reasons that it covers. The text of all of them is the reason itself.
"""

from collections.abc import Mapping

from schemas.causes.entry import BLOCKED, FAILING, CauseEntry

HELD_TEXT = "held: {why}"

#: Cause -> the beginnings of its reasons, and what helps.
_HOLDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "held-memory": (
        ("Memory usage exceeds a memory limit",),
        "The worker used more memory than its task asks for: submit again with a larger worker_memory.",
    ),
    "held-disk": (
        ("Disk usage exceeds a disk limit",),
        "The worker used more disk than its task asks for: submit again with a larger worker_disk.",
    ),
    "held-time": (
        (
            "The job's allowed duration was exceeded",
            "The job's allowed execution time was exceeded",
            "The job missed its execution time",
        ),
        "The worker ran longer than the pool or max_worker_runtime allows: add workers, or raise max_worker_runtime.",
    ),
    "held-input-files": (
        ("Input files could not be transferred", "The input files are larger"),
        "Check that the input_files of the pilot exist and are readable at the place, and how large they are.",
    ),
    "held-output-files": (
        ("Output files could not be transferred", "The output files are larger"),
        "Check the disk of the schedd's machine. With keep_worker_logs off, workers write fewer files.",
    ),
    "held-transfer": (
        ("File transfer: protocol error",),
        "The connection between schedd and worker failed: add workers, and tell the pool's operator if it comes again.",
    ),
    "held-image": (
        ("The container image is invalid",),
        "Check the name of the image, and that the pool's machines can read it.",
    ),
    "held-container-runtime": (
        ("The worker's container runtime failed its test",),
        "This machine cannot run containers: add workers, and tell the pool's operator.",
    ),
    "held-executable": (
        ("The executable could not be started",),
        "The pilot could not be started on the worker: check pilot_config.tag, and the image that it names.",
    ),
    "held-files": (
        ("The standard ", "The job's initial directory cannot be accessed", "The job event log could not be opened"),
        "The TMS's directory on the schedd's machine cannot be used: ask its operator to check its disk and rights.",
    ),
    "held-credentials": (
        ("The job's credentials are invalid",),
        "The credentials of the TMS for this pool have expired: ask its operator to renew them.",
    ),
    "held-account": (
        ("The user account could not be accessed",),
        "The pool's account for jobs is missing on the machine: ask the pool's operator.",
    ),
    "held-policy": (
        (
            "The pool's policy",
            "The worker's policy held it",
            "A job policy expression is undefined",
        ),
        "A rule of the pool held the worker: ask the pool's operator which limit it is, and ask for less.",
    ),
    "held-by-user": (
        ("Put on hold by a user", "Submitted on hold"),
        "A person has held the jobs: ask the operator of the schedd to release them (condor_release), or add workers.",
    ),
    "held-spooling": (
        ("Input files are being spooled", "Waiting for other jobs"),
        "The schedd has not finished an earlier step: ask its operator if this lasts for minutes.",
    ),
    "held-hook": (
        ("A prepare-job hook", "A pre script failed", "A post script failed"),
        "A script of the pool failed: ask the pool's operator.",
    ),
    "held-shadow": (
        ("The shadow does not fit the job", "No compatible shadow", "Invalid cron settings"),
        "The schedd is set up wrongly for these jobs: ask its operator.",
    ),
    "held-checkpoint": (
        ("The job failed at its checkpoint signal",),
        "The pilot was asked to save its state, and failed: add workers.",
    ),
}

HOLD_CAUSES: Mapping[str, CauseEntry] = {
    **{
        key: CauseEntry(
            FAILING if key in ("held-memory", "held-disk", "held-time") else BLOCKED,
            HELD_TEXT,
            remedy,
            "ewms taskforce show {taskforce}",
        )
        for key, (_, remedy) in _HOLDS.items()
    },
    "held-other": CauseEntry(
        BLOCKED,
        HELD_TEXT,
        "Add workers to replace these, and ask the operator of the schedd what the reason means.",
        "ewms taskforce show {taskforce}",
    ),
}


def find_hold_cause(reason: str) -> str:
    """Return the cause of a hold with this reason, which is the text after `HELD: ` in a status."""
    return next(
        (key for key, (beginnings, _) in _HOLDS.items() if reason.startswith(beginnings)),
        "held-other",
    )
