"""The exit statuses of a pilot, by which HTCondor and the local pool know whether it starts again."""

from enum import IntEnum


class PilotExit(IntEnum):
    """Why a pilot left. A signal's number, or any other status, is a crash."""

    #: It was asked to leave, or had nothing to do for its idle time; a source has run its task.
    DONE = 0
    #: It failed: tasks did, or a broker stayed away.
    FAILED = 1
    #: Its variables do not make sense, and will not the next time.
    UNUSABLE = 2
    #: Its queues are gone: there is nothing to do for it any more.
    CLOSED = 3
    #: It found its worker bad: the init container failed, or different events one after the other.
    BAD_WORKER = 4
