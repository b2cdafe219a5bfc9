"""Write records of a job event log as HTCondor does, for the local pool's own logs. (core)

Each function returns one record with its end line. `at` is the machine's local time, as in HTCondor's log.
"""

from datetime import datetime


def cluster_submitted(cluster_id: int, at: datetime) -> str:
    """Return the first record of a cluster."""
    return _format_record(35, cluster_id, -1, at, "Cluster submitted from host: <local>")


def materialization_resumed(cluster_id: int, at: datetime, reason: str) -> str:
    """Return the record of a release."""
    return _format_record(38, cluster_id, -1, at, "Job Materialization Resumed", reason)


def cluster_removed(cluster_id: int, at: datetime, *, n_made: int, is_complete: bool) -> str:
    """Return the last record of a cluster."""
    note = f"Materialized {n_made} jobs from 0 items.\t{'Complete' if is_complete else 'Incomplete'}"
    return _format_record(36, cluster_id, -1, at, "Cluster removed", note)


def job_submitted(cluster_id: int, proc: int, at: datetime) -> str:
    """Return the first record of a job."""
    return _format_record(0, cluster_id, proc, at, "Job submitted from host: <local>")


def job_executing(cluster_id: int, proc: int, at: datetime, machine: str) -> str:
    """Return the record of a job that starts to run on `machine`."""
    return _format_record(1, cluster_id, proc, at, "Job executing on host: <local>", f"SlotName: {machine}")


def job_evicted(cluster_id: int, proc: int, at: datetime, reason: str) -> str:
    """Return the record of a job that was stopped before its end."""
    return _format_record(
        4, cluster_id, proc, at, "Job was evicted.", "(0) Job was not checkpointed.", f"Reason: {reason}"
    )


def job_terminated(cluster_id: int, proc: int, at: datetime, exit_code: int) -> str:
    """Return the record of a job that ended by itself. A negative `exit_code` is minus a signal's number."""
    return _format_record(5, cluster_id, proc, at, "Job terminated.", _describe_termination(exit_code))


def job_requeued(cluster_id: int, proc: int, at: datetime, exit_code: int) -> str:
    """Return the record of a job that ended by itself and starts again at once."""
    return _format_record(
        4,
        cluster_id,
        proc,
        at,
        "Job was evicted.",
        "(0) Job terminated and was requeued",
        _describe_termination(exit_code),
    )


def describe_exit(exit_code: int) -> str:
    """Return in words how a process ended. A negative `exit_code` is minus a signal's number."""
    return f"ended with exit status {exit_code}" if exit_code >= 0 else f"was killed by signal {-exit_code}"


def job_chirped(cluster_id: int, proc: int, at: datetime, text: str) -> str:
    """Return the record of a job's chirp."""
    return _format_record(8, cluster_id, proc, at, "".join(c if c.isprintable() else " " for c in text))


def job_aborted(cluster_id: int, proc: int, at: datetime, reason: str) -> str:
    """Return the record of a job that was removed."""
    return _format_record(9, cluster_id, proc, at, "Job was aborted.", reason)


def job_held(cluster_id: int, proc: int, at: datetime, reason: str, *, code: int, subcode: int) -> str:
    """Return the record of a job that was put on hold."""
    return _format_record(12, cluster_id, proc, at, "Job was held.", reason, f"Code {code} Subcode {subcode}")


def job_released(cluster_id: int, proc: int, at: datetime, reason: str) -> str:
    """Return the record of a job that is no longer on hold."""
    return _format_record(13, cluster_id, proc, at, "Job was released.", reason)


def _describe_termination(exit_code: int) -> str:
    if exit_code < 0:
        return f"(0) Abnormal termination (signal {-exit_code})"
    return f"(1) Normal termination (return value {exit_code})"


def _format_record(kind: int, cluster_id: int, proc: int, at: datetime, text: str, *body: str) -> str:
    lines = "".join("\t" + " ".join(line.split("\n")) + "\n" for line in body)
    return f"{kind:03d} ({cluster_id:03d}.{proc:03d}.000) {at:%Y-%m-%d %H:%M:%S} {text}\n{lines}...\n"
