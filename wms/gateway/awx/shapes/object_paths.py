"""The paths of objects in the dialect. (core)"""

from schemas.automation.notifications import NotificationList

PREFIX = "/api/v2"


def make_url(what: str, number: int) -> str:
    """Return the path of the object `number` in the list `what`, for example `job_templates`."""
    return f"{PREFIX}/{what}/{number}/"


def relate_lists(url: str, *, has_approvals: bool) -> dict[str, str]:
    """Return the links to the lists of an object."""
    names = [each.value for each in NotificationList if has_approvals or each is not NotificationList.APPROVALS]
    return {f"notification_templates_{name}": f"{url}notification_templates_{name}/" for name in names}
