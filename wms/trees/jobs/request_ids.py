"""Make ids of runs and answers that follow from their request, so that a repeated one makes nothing a second time."""

import uuid

from runtime.once import Once
from schemas.engine.runs import Occurrence
from schemas.ids import RunUuid

_LAUNCHES = uuid.UUID("6e2d2b7e-0a57-4d0e-9d0c-5b7b8b2f4c61")


def name_launched_run(once: Once | None) -> RunUuid | None:
    """Return the uuid of the run that a request with this identity launches; None: any."""
    return None if once is None else RunUuid(str(uuid.uuid5(_LAUNCHES, once.inbox_id)))


def name_scheduled_run(occurrence: Occurrence) -> RunUuid:
    """Return the uuid of the one run of an occurrence."""
    return RunUuid(str(uuid.uuid5(_LAUNCHES, f"schedule:{occurrence.schedule}:{occurrence.at.isoformat()}")))


def name_answer(once: Once | None) -> str:
    """Return the id of a decision about an approval. Another body makes another id."""
    return str(uuid.uuid4() if once is None else uuid.uuid5(_LAUNCHES, f"{once.inbox_id}/{once.digest}"))
