"""The exit statuses of a pilot. HTCondor and the local pool decide by them whether the pilot's job starts again."""

from enum import IntEnum


class PilotExit(IntEnum):
    """Why a pilot ended. Any other status, or a signal, is a crash."""

    #: A signal asked the pilot to end, or it had nothing to do for its idle time. A source has run its task.
    DONE = 0
    #: Tasks failed, or a broker stayed away.
    FAILED = 1
    #: The pilot's variables are invalid, and will be invalid the next time.
    UNUSABLE = 2
    #: The pilot's queues were deleted, so there is nothing left to do.
    CLOSED = 3
    #: The worker is bad: the init container failed, or different events failed one after the other.
    BAD_WORKER = 4
