"""The states of a version, as one table. (core)

    Pending approval ──approve──► Building ──built──► Syncing ──synced──► Ready
        │    │                        │                  │
        │    └──reject, supersede──► Rejected            │
        └──look failed──► Failed ◄────┴──build failed────┘

No way leads to Building, Syncing or Ready but through an approval. A failed build of an approved version may be built
again without another one, because the approval names the commit.
"""

from collections.abc import Mapping
from enum import StrEnum

from schemas.automation.catalogue import TaskStatus
from schemas.errors import Conflict


class VersionEvent(StrEnum):
    """What happens to a version."""

    APPROVE = "approve"
    REJECT = "reject"
    #: A newer version takes its place before anybody has decided about it.
    SUPERSEDE = "supersede"
    LOOK_FAILED = "look-failed"
    #: Somebody looks again at the source of a version whose look failed.
    LOOK_AGAIN = "look-again"
    BUILT = "built"
    SYNCED = "synced"
    BUILD_FAILED = "build-failed"
    #: An approved version whose build failed is built again.
    BUILD_AGAIN = "build-again"


#: The status and what happens -> the status after it. What is not listed cannot happen.
STATUS_AFTER: Mapping[tuple[TaskStatus, VersionEvent], TaskStatus] = {
    (TaskStatus.PENDING_APPROVAL, VersionEvent.APPROVE): TaskStatus.BUILDING,
    (TaskStatus.PENDING_APPROVAL, VersionEvent.REJECT): TaskStatus.REJECTED,
    (TaskStatus.PENDING_APPROVAL, VersionEvent.SUPERSEDE): TaskStatus.REJECTED,
    (TaskStatus.PENDING_APPROVAL, VersionEvent.LOOK_FAILED): TaskStatus.FAILED,
    (TaskStatus.BUILDING, VersionEvent.BUILT): TaskStatus.SYNCING,
    (TaskStatus.BUILDING, VersionEvent.BUILD_FAILED): TaskStatus.FAILED,
    (TaskStatus.SYNCING, VersionEvent.SYNCED): TaskStatus.READY,
    (TaskStatus.SYNCING, VersionEvent.BUILD_FAILED): TaskStatus.FAILED,
    (TaskStatus.FAILED, VersionEvent.LOOK_AGAIN): TaskStatus.PENDING_APPROVAL,
    (TaskStatus.FAILED, VersionEvent.BUILD_AGAIN): TaskStatus.BUILDING,
}

#: The statuses of versions. A task may be disabled as well.
VERSION_STATUSES = frozenset(TaskStatus) - {TaskStatus.DISABLED}


def find_status_after(status: TaskStatus, event: VersionEvent) -> TaskStatus:
    """Return the status of a version after `event`.

    Raises:
        Conflict: that cannot happen to a version with this status.
    """
    after = STATUS_AFTER.get((status, event))
    if after is None:
        possible = ", ".join(sorted(each.value for each, wanted in STATUS_AFTER if wanted is event))
        raise Conflict(
            f"the version is {status.value}, so this is not possible: {event.value}",
            hint=f"it is possible while a version is {possible}",
        )
    return after
