"""Build the parts of the fleet, once, and run those that work in the background."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from runtime.bus.service_bus import Bus
from runtime.kernel.store import Store
from runtime.kernel.timers import Timers
from schemas.fleet.documents import WORKFLOWS
from schemas.ids import WorkflowId
from wms.fleet.choices.fleet_settings import FLEET_SETTINGS, FleetSettings, Quota
from wms.fleet.choices.pilot_images import PilotImages
from wms.fleet.choices.policy import FleetPolicy
from wms.fleet.drain_watch import DrainWatch
from wms.fleet.event_handlers import FleetHandlers
from wms.fleet.fleet import Fleet
from wms.fleet.launcher import Launcher
from wms.fleet.reading.object_reader import ObjectReader
from wms.fleet.stalls.stall_watch import StallWatch
from wms.fleet.stalls.verdict_renewal import VerdictRenewal
from wms.fleet.status_snapshots import SnapshotWriter
from wms.fleet.taskforce_control import TaskforceControl
from wms.fleet.transactions import FleetTransactions
from wms.fleet.work_offers import WorkOffers
from wms.shared_document import SharedDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetParts:
    """Workflows and their taskforces: what routes and events call, and the watch over stalled workflows."""

    fleet: Fleet
    settings: SharedDocument[FleetSettings]
    taskforces: TaskforceControl
    snapshots: SnapshotWriter
    reader: ObjectReader
    offers: WorkOffers
    verdicts: VerdictRenewal
    handlers: FleetHandlers
    stall_watch: StallWatch


@asynccontextmanager
async def run_fleet(
    store: Store,
    bus: Bus,
    policy: FleetPolicy,
    *,
    images: PilotImages,
    quota: Quota,
    max_queues: int,
) -> AsyncIterator[FleetParts]:
    """Run the fleet during the block: it writes snapshots, launches taskforces, wakes workflows and watches for stalled
    ones.
    """
    locations = policy.locations
    async with AsyncExitStack() as stack:
        settings = SharedDocument(store, FLEET_SETTINGS, "fleet", FleetSettings)
        await settings.start()
        stack.push_async_callback(settings.stop)

        def read_settings() -> FleetSettings:
            return settings.value

        transactions = FleetTransactions(store, policy, read_settings)
        fleet = Fleet(transactions, images=images, quota=quota, max_queues=max_queues)
        taskforces = TaskforceControl(transactions)
        await taskforces.order_left_removals()
        snapshots = SnapshotWriter(store, locations)
        await snapshots.start()
        stack.push_async_callback(snapshots.stop)
        launcher = Launcher(store, taskforces, locations, read_settings)
        await launcher.start()
        stack.push_async_callback(launcher.stop)
        drain_watch = DrainWatch(store, transactions, read_settings)
        drain_watch.start()
        stack.push_async_callback(drain_watch.stop)

        def apply_settings(_before: FleetSettings, _after: FleetSettings) -> None:
            launcher.look_soon()
            drain_watch.look_soon()

        settings.on_change.append(apply_settings)

        async def wake(workflow_id: WorkflowId) -> None:
            await fleet.wake_workflow(workflow_id)
            # A pause after a failure may be over. That changes no document, so no other event wakes the launcher.
            launcher.look_soon()

        timers = Timers(store, WORKFLOWS, wake)
        timers.start()
        stack.push_async_callback(timers.stop)
        stall_watch = StallWatch(store, bus, locations, read_settings)
        await stall_watch.start()
        stack.push_async_callback(stall_watch.stop)
        yield FleetParts(
            fleet=fleet,
            settings=settings,
            taskforces=taskforces,
            snapshots=snapshots,
            reader=ObjectReader(store, locations, read_settings),
            offers=WorkOffers(store, bus, policy, read_settings),
            verdicts=VerdictRenewal(store, bus),
            handlers=FleetHandlers(fleet, taskforces, snapshots),
            stall_watch=stall_watch,
        )
