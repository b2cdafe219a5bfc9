"""The words of processes: targets of step lists, assignees, and the statuses of steps and processes."""

import re
from enum import StrEnum
from functools import cache

from schemas.engine.subscriptions import ProductDocument
from schemas.stored_enum import StoredEnum


class Target(StrEnum):
    """What a step list does to a subscription. At registration, an unknown word is an error."""

    CREATE = "CREATE"
    MODIFY = "MODIFY"
    TERMINATE = "TERMINATE"
    SYSTEM = "SYSTEM"
    VALIDATE = "VALIDATE"
    RECONCILE = "RECONCILE"

    @property
    def is_task(self) -> bool:
        """Whether processes with this target are tasks: they check or clean up, and change no customer's order."""
        return self in (Target.SYSTEM, Target.VALIDATE, Target.RECONCILE)


class Assignee(StrEnum):
    """Who must act next."""

    SYSTEM = "SYSTEM"
    NOC = "NOC"
    CHANGES = "CHANGES"
    KLANTSUPPORT = "KLANTSUPPORT"


class StepStatus(StoredEnum):
    """The status of one step."""

    PENDING = "pending"
    SUCCESS = "success"
    SKIPPED = "skipped"
    SUSPEND = "suspend"
    WAITING = "waiting"
    AWAITING_CALLBACK = "awaiting_callback"
    FAILED = "failed"
    ABORT = "abort"
    COMPLETE = "complete"


class ProcessStatus(StoredEnum):
    """The status of a process."""

    CREATED = "created"
    RUNNING = "running"
    SUSPENDED = "suspended"
    WAITING = "waiting"
    AWAITING_CALLBACK = "awaiting_callback"
    ABORTED = "aborted"
    FAILED = "failed"
    API_UNAVAILABLE = "api_unavailable"
    INCONSISTENT_DATA = "inconsistent_data"
    COMPLETED = "completed"
    RESUMED = "resumed"


#: The statuses from which a person, or the engine, may resume a process.
RESUMABLE = frozenset(
    {
        ProcessStatus.SUSPENDED,
        ProcessStatus.WAITING,
        ProcessStatus.AWAITING_CALLBACK,
        ProcessStatus.FAILED,
        ProcessStatus.API_UNAVAILABLE,
        ProcessStatus.INCONSISTENT_DATA,
        ProcessStatus.RESUMED,
    }
)


@cache
def compile_search_phrase(phrase: str) -> re.Pattern[str]:
    """Return the pattern that names of products must match. In `phrase`, `%` is any text and `_` any one character."""
    marks = {"%": ".*", "_": "."}
    return re.compile("".join(marks.get(c) or re.escape(c) for c in phrase), re.DOTALL)


def attaches_to(product: ProductDocument, *, tag: str, search_phrase: str) -> bool:
    """Return whether a workflow with this `tag` and `search_phrase` can be used on subscriptions to `product`."""
    return product.tag == tag and compile_search_phrase(search_phrase).fullmatch(product.name) is not None
