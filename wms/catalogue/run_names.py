"""Name the runs that tasks wait for, before they exist."""

from uuid import uuid4

from schemas.ids import RunUuid


def new_run_uuid() -> RunUuid:
    """Return the id for a run that WMS launches later."""
    return RunUuid(str(uuid4()))
