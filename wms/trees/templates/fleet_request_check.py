"""Check the request of a fleet workflow when a template is saved, as far as it is known then. (core)"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from schemas.api.workflows.requests import WorkflowRequest
from schemas.checks.plain_faults import explain_faults
from schemas.errors import Rejected
from schemas.rules.complaints import join_complaints

#: These faults stay, whatever a launch puts into the values.
_LASTING = frozenset({"missing", "extra_forbidden"})


def check_fleet_request(request: Mapping[str, Any]) -> None:
    """Check a request of a template. Values with `${...}` are known only at the launch, and are checked then.

    Raises:
        Rejected: no launch could make a workflow of it.
    """
    try:
        WorkflowRequest.model_validate(request)
    except ValidationError as error:
        faults = [each for each in error.errors() if each["type"] in _LASTING or not _has_places(each["input"])]
        if faults:
            raise Rejected(f"request: {join_complaints(explain_faults(faults, request))}") from error


def _has_places(value: Any) -> bool:
    return "${" in json.dumps(value, default=str)
