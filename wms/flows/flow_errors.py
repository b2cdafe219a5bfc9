"""The errors of flows. Each has a number, which the dialect adds to the HTTP status of the answer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from schemas.engine.flows import FlowErrorCode
from schemas.errors import Conflict, EWMSError, Forbidden, NotFound, Rejected, TooLarge, Unavailable

_TEXTS: Mapping[FlowErrorCode, str] = {
    FlowErrorCode.CREATE_FAILED: "workflow create failed",
    FlowErrorCode.QUERY_FAILED: "workflow query failed",
    FlowErrorCode.DETAIL_FAILED: "workflow detail failed",
    FlowErrorCode.START_FAILED: "workflow start failed",
    FlowErrorCode.DEFINE_NOT_FOUND: "workflow define not found",
    FlowErrorCode.NODE_POLLING_TIME_OUT: "workflow node polling time out",
    FlowErrorCode.STOP_FAILED: "workflow stop failed",
    FlowErrorCode.CANCEL_FAILED: "workflow cancel failed",
}


def describe_code(number: FlowErrorCode, reason: str) -> str:
    """Return the text of the error `number`, with its `reason`."""
    return f"{_TEXTS[number]}: {reason}" if reason else _TEXTS[number]


class FlowCallFailed(Rejected):
    """A call about a flow failed. The dialect answers 500 on purpose."""

    code = 500

    def __init__(self, number: FlowErrorCode, reason: str = "", *, hint: str = "") -> None:
        super().__init__(describe_code(number, reason), hint=hint)
        self.number = int(number)


class FlowStoreAway(Unavailable):
    """A call about a flow failed because a service is not available. The same call works when the service is back."""

    def __init__(self, number: FlowErrorCode, reason: str, *, hint: str = "") -> None:
        super().__init__(describe_code(number, reason), hint=hint)
        self.number = int(number)


class FlowDefineNotFound(NotFound):
    """No step worker has ever registered a flow of this name."""

    def __init__(self, name: str) -> None:
        number = FlowErrorCode.DEFINE_NOT_FOUND
        super().__init__(describe_code(number, name), hint="a step worker registers it when it starts")
        self.number = int(number)


@contextmanager
def number_errors(number: FlowErrorCode) -> Iterator[None]:
    """Give each error of the block the code `number`, unless it has a code. `Forbidden` and `TooLarge` pass unchanged.

    Raises:
        FlowStoreAway: in place of `Unavailable`.
        FlowCallFailed: in place of each other error of our families.
    """
    try:
        yield
    except (FlowCallFailed, FlowStoreAway, FlowDefineNotFound, Forbidden, TooLarge):
        raise
    except Unavailable as error:
        raise FlowStoreAway(number, error.reason, hint=error.hint) from error
    except (Rejected, Conflict) as error:
        raise FlowCallFailed(number, error.reason, hint=error.hint) from error
    except EWMSError as error:
        # The details of a defect are for the log.
        raise FlowCallFailed(number) from error
