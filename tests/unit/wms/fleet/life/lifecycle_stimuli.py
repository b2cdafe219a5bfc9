"""Stimuli that tests of a workflow's life use, and the kinds of events that a decision sends."""

from schemas.events import (
    Payload,
)
from schemas.fleet.phases import Deactivated
from tests.unit.wms.fleets import (
    NOW,
)
from wms.fleet.choices.locations import Location
from wms.fleet.id_source import IdSource
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.stimuli import AddWorkers, Deactivate

ABORT = Deactivate(Deactivated.ABORTED)
FINISH = Deactivate(Deactivated.FINISHED)


def kinds(events: tuple[Payload, ...]) -> list[type[Payload]]:
    return [type(event) for event in events]


def adding(state: Aggregate, *, schedd: str = "S1", by: str = "USER") -> AddWorkers:
    return AddWorkers(
        task=next(iter(state.tasks.values())),
        location=Location(schedd=schedd),
        n_workers=3,
        by=by,
        mint=IdSource(b"m", NOW),
    )
