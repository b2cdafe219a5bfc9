"""What a TMS is asked to start."""

from schemas.events import TaskforceStart
from tests.unit.wms.fleets import NOW, activated, after, decide, request, task_request
from wms.fleet.choices.locations import Location, LocationMap
from wms.fleet.choices.pilot_tags import PilotTags
from wms.fleet.choices.policy import FleetPolicy
from wms.fleet.id_source import IdSource
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.stimuli import AddWorkers, Launch, Woken
from wms.fleet.life.workflow_requests import make_workflow
from wms.fleet.ownership import Owner

SHARED = LocationMap({"big": Location(schedd="S1", n_workers=500), "small": Location(schedd="S1", n_workers=2)})

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
OTHER = f"00-{'c' * 32}-{'d' * 16}-01"


def test_no_number_of_workers_is_the_default_of_the_location_not_of_its_schedd() -> None:
    task = task_request(cluster_locations=["big", "small"], n_workers=None)
    new = make_workflow(
        request(task),
        owner=Owner("ada", ()),
        locations=SHARED,
        tags=PilotTags(latest="1"),
        mint=IdSource(b"s", NOW),
        now=NOW,
        traceparent=TRACE,
    )
    state = Aggregate(
        workflow=new.workflow,
        taskforces={taskforce.taskforce_uuid: taskforce for taskforce in new.taskforces},
        tasks={task.task_id: task for task in new.tasks},
    )
    state = after(state, activated(state))
    more = AddWorkers(
        task=new.tasks[0],
        location=SHARED.find_location("big"),
        n_workers=None,
        by="USER",
        mint=IdSource(b"t", NOW),
        traceparent=OTHER,
    )
    state = after(state, more, Woken())
    asked = [
        event.n_workers
        for uuid in state.taskforces
        for event in decide(state, Launch(uuid), NOW, FleetPolicy(SHARED)).events
        if isinstance(event, TaskforceStart)
    ]
    assert sorted(asked) == [2, 500, 500]
    traces = [
        event.traceparent
        for uuid in state.taskforces
        for event in decide(state, Launch(uuid), NOW, FleetPolicy(SHARED)).events
        if isinstance(event, TaskforceStart)
    ]
    assert sorted(traces) == sorted([TRACE, TRACE, OTHER]), "each has the trace of the request that made it"
    assert all(taskforce.n_workers is None for taskforce in state.taskforces.values())
