"""The words of flows: reserved edges, statuses, error codes, and how often a node polls its operation."""

from enum import IntEnum, StrEnum

#: The edge at which a flow begins.
START = "start"
#: The failure edge that stops a flow until a person starts it again.
PAUSE = "pause"

#: How many seconds pass between two polls of an operation, and the most polls: as many as 30 days have.
POLL_EVERY_S = 3.0
MAX_POLLS = 864_000

#: The artifacts of a node: the operation that it started, and its result as lines of text.
OPERATION_ID = "operation_id"
RESULT = "result"
#: The result of a node that has set none.
COMPLETED = "Completed."

#: The parameters of a run that say what a flow is about.
BIZ_ID = "biz_id"
BIZ_TYPE = "biz_type"
#: What a flow may be about. Any other word is allowed, too; metrics count it as `other`.
BIZ_TYPES = frozenset({"cluster", "host", "platform"})


class FlowStatus(StrEnum):
    """The status of a flow, or of one of its nodes."""

    INITIALIZING = "Initializing"
    PROCESSING = "Processing"
    CANCELING = "Canceling"
    FINISHED = "Finished"
    ERROR = "Error"
    CANCELED = "Canceled"
    STOPPED = "Stopped"

    @property
    def is_finished(self) -> bool:
        """Whether the status is final."""
        return self in (FlowStatus.FINISHED, FlowStatus.ERROR, FlowStatus.CANCELED)


class FlowErrorCode(IntEnum):
    """The number in the answer to a call that failed."""

    CREATE_FAILED = 40100
    QUERY_FAILED = 40101
    DETAIL_FAILED = 40102
    START_FAILED = 40103
    DEFINE_NOT_FOUND = 40104
    NODE_POLLING_TIME_OUT = 40105
    STOP_FAILED = 40106
    CANCEL_FAILED = 40107
