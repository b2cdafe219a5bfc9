"""The arguments of an executor: the node that it works for, and the flow's context. (core)"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.engine.flows import COMPLETED

#: The most characters of a node's result. A longer one loses its beginning.
MAX_RESULT = 64 * 1024


class OperationStatus(StrEnum):
    """The status of an operation."""

    PROCESSING = "Processing"
    FINISHED = "Finished"
    ERROR = "Error"


@dataclass(frozen=True)
class Operation:
    """The result of a poll.

    Operation.processing()    Operation.finished("3 hosts")    Operation.error("no disk left")
    """

    status: OperationStatus
    #: The operation's result, or the reason of its failure. It becomes a line of the node's result.
    text: str = ""

    @classmethod
    def processing(cls) -> "Operation":
        """Return an operation that goes on: the engine looks again."""
        return cls(OperationStatus.PROCESSING)

    @classmethod
    def finished(cls, text: str = "") -> "Operation":
        """Return an operation that has succeeded, and the node with it."""
        return cls(OperationStatus.FINISHED, text)

    @classmethod
    def error(cls, text: str) -> "Operation":
        """Return an operation that has failed, and the node with it."""
        return cls(OperationStatus.ERROR, text)


class FlowContext(dict[str, Any]):
    """JSON values by key that all nodes of a flow share.

    A change counts when the node's call ends, even if the node failed, so that the node for failures can undo the work.
    """

    def get_data(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`, or `default`."""
        return self.get(key, default)

    def set_data(self, key: str, value: Any) -> None:
        """Set the value of `key`."""
        self[key] = value


@dataclass
class WorkflowNode:
    """The node whose executor or poll runs now."""

    name: str
    #: Its edge.
    key: str
    #: The flow's id, and the thing that the flow is about.
    parent_id: str
    biz_id: str
    biz_type: str
    #: The same after crashes and retries of the node. Pass it to systems that you call, so they start nothing twice.
    idempotency_key: str
    parameters: dict[str, Any]
    #: The operation that a polling node has started. Set it in the executor; the poll finds it again.
    operation_id: str = ""
    result: str = ""
    is_finished: bool = False

    def append_result(self, *lines: object) -> None:
        """Add lines to the node's result. If it becomes too long, drop its beginning."""
        text = "\n".join([*([self.result] if self.result else []), *map(str, lines)])
        self.result = text[-MAX_RESULT:]

    def finish(self, *lines: object) -> None:
        """End the node with success. If the executor of a polling node calls this, the engine does not poll."""
        self.append_result(*lines)
        self.is_finished = True

    def complete_result(self) -> None:
        """If the result is empty, make it "Completed."."""
        if not self.result:
            self.append_result(COMPLETED)
