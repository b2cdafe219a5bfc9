"""The failures of an event: its data cannot be read, or its output or answer cannot be used. (core)"""

from pilot.failures.failure import Failure
from schemas.payloads.data_events import DeadReason


def invalid_infile(why: str) -> Failure:
    """Return the failure of an event that cannot become an infile."""
    return Failure("InvalidDataForInfile", why, reason=DeadReason.UNREADABLE, final=True)


def codec_missing(why: str) -> Failure:
    """Return the failure of an event that this worker cannot decode. Another worker may have the codec."""
    return Failure("CodecMissing", why, reason=DeadReason.UNREADABLE)


def outfile_too_large(n_bytes: int, limit_bytes: int) -> Failure:
    """Return the failure of a task whose outfile is larger than an event may be."""
    return Failure(
        "OutfileTooLarge",
        f"the outfile has {n_bytes} bytes and an event may have {limit_bytes}: "
        "write large results to storage and send their address",
        reason=DeadReason.OUTPUT_TOO_LARGE,
        final=True,
    )


def outfile_unreadable(why: str) -> Failure:
    """Return the failure of a task whose outfile cannot be read."""
    return Failure("InvalidOutfile", why, reason=DeadReason.OUTPUT_UNREADABLE)


def output_refused(why: str) -> Failure:
    """Return the failure of a task whose output event the broker refuses."""
    return Failure("OutputRefused", why)


def invalid_answer(what: str, remedy: str) -> Failure:
    """Return the failure of a warm task whose answer cannot be used. `what` goes on after "the task's answer"."""
    return Failure(
        "InvalidAnswer",
        f"the task's answer {what}; {remedy}",
        reason=DeadReason.OUTPUT_UNREADABLE,
        aka="InvalidOutfile",
    )


def answer_too_long(limit_bytes: int) -> Failure:
    """Return the failure of a warm task whose answer is larger than an event may be."""
    return Failure(
        "OutfileTooLarge",
        f"the task's answer has more than {limit_bytes} bytes: write large results to storage and send their address",
        reason=DeadReason.OUTPUT_TOO_LARGE,
        final=True,
    )
