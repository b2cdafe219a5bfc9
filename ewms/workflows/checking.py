"""Check a request before it is sent: refuse it if its tasks could never run, and find oddities."""

import asyncio
from collections.abc import Mapping
from typing import Any

from ewms.errors import CannotRun
from ewms.gateway.http import Gateway
from schemas.api.workflows.requests import ClustersAnswer
from schemas.checks.request_check import check_request
from schemas.checks.unwritable import replace_unwritable
from schemas.errors import EWMSError, Rejected
from schemas.rules.complaints import Complaint

#: How long (seconds) we ask the server for its clusters, only to complete the list of a request's faults.
_CLUSTERS_WITHIN_S = 3.0


def find_complaints(body: Any, clusters: Mapping[str, str] | None = None) -> list[Complaint]:
    """Return everything that is wrong or odd in the request `body`.

    `clusters` are the names of all cluster locations, each with the location that it is an alias of, or "". None if we
    do not know them: then no name is checked.

    Raises:
        Rejected: the request cannot be written as JSON.
    """
    try:
        plain, unwritable = replace_unwritable(body)
        if not unwritable:
            return check_request(plain, clusters=clusters)
        # We have put values of our own in those places, so complaints about them mean nothing to the user.
        places = {complaint.where for complaint in unwritable}
        rest = check_request(plain, clusters=clusters)
        return [*unwritable, *(complaint for complaint in rest if complaint.where not in places)]
    except RecursionError:
        raise Rejected(
            "the request cannot be written as JSON: it is nested too deeply",
            hint="look for an object that holds itself",
        ) from None
    except (TypeError, ValueError) as error:
        raise Rejected(
            f"the request cannot be written as JSON: {error}",
            hint="use texts, numbers, lists, dicts, True, False, None",
        ) from error


def refuse_what_cannot_run(body: Any, clusters: Mapping[str, str] | None = None) -> None:
    """Raise an error if a task of the request `body` could never run; otherwise return.

    `clusters` as for `find_complaints`.

    Raises:
        CannotRun: a task could never run; `complaints` lists all such faults.
        Rejected: the request cannot be written as JSON.
    """
    if sure := [complaint for complaint in find_complaints(body, clusters) if complaint.is_sure]:
        raise CannotRun(sure)


async def fetch_cluster_names(gateway: Gateway) -> dict[str, str] | None:
    """Return the cluster locations as `find_complaints` takes them; None if the server does not answer within 3 s."""
    try:
        async with asyncio.timeout(_CLUSTERS_WITHIN_S):
            answer = ClustersAnswer.model_validate(await gateway.get_json("/clusters"), extra="ignore")
    except (EWMSError, TimeoutError, ValueError):
        return None
    return answer.alias_targets()
