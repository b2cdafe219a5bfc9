"""What a TMS is asked to start."""

from schemas.events import TaskforceStart
from tests.unit.wms.fleets import NOW, activated, after, request, task_request
from wms.fleet.id_source import Mint
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.lifecycle import decide
from wms.fleet.life.stimuli import AddWorkers, Launch, Woken
from wms.fleet.life.workflow_requests import new_workflow
from wms.fleet.locations import Cluster, ClusterMap
from wms.fleet.ownership import Owner
from wms.fleet.pilot_tags import Tags

SHARED = ClusterMap({"big": Cluster(schedd="S1", n_workers=500), "small": Cluster(schedd="S1", n_workers=2)})


def test_no_number_of_workers_is_the_default_of_the_location_not_of_its_schedd() -> None:
    task = task_request(cluster_locations=["big", "small"], n_workers=None)
    new = new_workflow(
        request(task), owner=Owner("ada", ()), clusters=SHARED, tags=Tags(latest="1"), mint=Mint(b"s", NOW), now=NOW
    )
    state = Aggregate(
        workflow=new.workflow,
        taskforces={taskforce.taskforce_uuid: taskforce for taskforce in new.taskforces},
        tasks={task.task_id: task for task in new.tasks},
    )
    state = after(state, activated(state))
    more = AddWorkers(task=new.tasks[0], cluster=SHARED.find("big"), n_workers=None, by="USER", mint=Mint(b"t", NOW))
    state = after(state, more, Woken())
    asked = [
        event.n_workers
        for uuid in state.taskforces
        for event in decide(state, Launch(uuid, SHARED.default_n_workers), NOW).events
        if isinstance(event, TaskforceStart)
    ]
    assert sorted(asked) == [2, 500, 500]
    assert all(taskforce.n_workers is None for taskforce in state.taskforces.values())
