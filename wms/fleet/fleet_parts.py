"""Build the parts of the fleet, once, and run those that work in the background."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from runtime.bus.service_bus import Bus
from runtime.kernel.store import Store
from runtime.kernel.timers import Timers
from schemas.fleet.documents import WORKFLOWS
from schemas.ids import WorkflowId
from wms.fleet.choices.pilot_images import PilotImages
from wms.fleet.choices.policy import FleetPolicy
from wms.fleet.event_handlers import FleetHandlers
from wms.fleet.fleet import Fleet, Quota
from wms.fleet.launcher import Launcher
from wms.fleet.reading.object_reader import ObjectReader
from wms.fleet.stalls.stall_watch import StallWatch
from wms.fleet.stalls.verdict_renewal import VerdictRenewal
from wms.fleet.status_snapshots import SnapshotWriter
from wms.fleet.taskforce_control import TaskforceControl
from wms.fleet.transactions import FleetTransactions
from wms.fleet.work_offers import WorkOffers


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetParts:
    """Workflows and their taskforces: what routes and events call, and the watch over stalled workflows."""

    fleet: Fleet
    taskforces: TaskforceControl
    snapshots: SnapshotWriter
    reader: ObjectReader
    offers: WorkOffers
    verdicts: VerdictRenewal
    handlers: FleetHandlers
    stall_watch: StallWatch


@asynccontextmanager
async def run_fleet(
    store: Store, bus: Bus, policy: FleetPolicy, *, images: PilotImages, quota: Quota, max_queues: int
) -> AsyncIterator[FleetParts]:
    """Run the fleet during the block: it writes snapshots, launches taskforces, wakes workflows and watches for stalled
    ones.
    """
    locations = policy.locations
    async with AsyncExitStack() as stack:
        transactions = FleetTransactions(store, policy)
        fleet = Fleet(transactions, images=images, quota=quota, max_queues=max_queues)
        taskforces = TaskforceControl(transactions)
        await taskforces.order_left_removals()
        snapshots = SnapshotWriter(store, locations)
        await snapshots.start()
        stack.push_async_callback(snapshots.stop)
        launcher = Launcher(store, taskforces, locations)
        await launcher.start()
        stack.push_async_callback(launcher.stop)

        async def wake(workflow_id: WorkflowId) -> None:
            await fleet.wake_workflow(workflow_id)
            # A pause after a failure may be over. That changes no document, so no other event wakes the launcher.
            launcher.look_soon()

        timers = Timers(store, WORKFLOWS, wake)
        timers.start()
        stack.push_async_callback(timers.stop)
        stall_watch = StallWatch(store, bus, locations)
        await stall_watch.start()
        stack.push_async_callback(stall_watch.stop)
        yield FleetParts(
            fleet=fleet,
            taskforces=taskforces,
            snapshots=snapshots,
            reader=ObjectReader(store, locations),
            offers=WorkOffers(store, bus, policy),
            verdicts=VerdictRenewal(store, bus),
            handlers=FleetHandlers(fleet, taskforces, snapshots),
            stall_watch=stall_watch,
        )
