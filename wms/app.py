"""WMS, put together: built once, by hand, in the order in which things need each other, and stopped in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import httpx2
from starlette.requests import Request
from starlette.responses import Response

from runtime.bus import Bus
from runtime.health import health_routes
from runtime.relay import Relay
from runtime.serving import serving
from runtime.store import Store
from runtime.timers import Timers
from runtime.tokens import Verifier
from schemas.documents import Collection
from schemas.ids import WorkflowId
from schemas.topology import Service
from wms.fleet.clusters import ClusterMap
from wms.fleet.fleet import Fleet
from wms.fleet.handlers import Handlers
from wms.fleet.launcher import Launcher
from wms.fleet.repository import INDEXES
from wms.fleet.snapshots import SnapshotWriter
from wms.gateway import app as gateway
from wms.gateway.auth import Gatekeeper
from wms.gateway.calls import OpenRoute, answered
from wms.gateway.queues import Queues
from wms.gateway.reasons import ReasonedProtocol
from wms.gateway.reservations import Reservations
from wms.gateway.taskforces import Taskforces
from wms.gateway.tms import Tms
from wms.gateway.workerlogs import Logs
from wms.gateway.workflows import Workflows
from wms.settings import Settings

SOURCE = "ewms/wms"


@dataclass(frozen=True, slots=True)
class Wms:
    """The running parts, as far as anybody outside asks for them."""

    store: Store
    fleet: Fleet
    #: Where the gateway listens, the port chosen if it was 0.
    gateway_url: str


@asynccontextmanager
async def wms(settings: Settings) -> AsyncIterator[Wms]:
    """Run WMS for the block: it serves when the block begins, and has finished what it took when it ends."""
    clusters = ClusterMap(settings.clusters)
    async with AsyncExitStack() as stack:
        store = await Store.connect(
            settings.mongo_url.get_secret_value(), database=settings.mongo_database, source=SOURCE
        )
        stack.push_async_callback(store.close)
        await store.ensure_indexes(INDEXES)

        bus = await Bus.connect(settings.control_amqp_url.get_secret_value(), service=Service.WMS.value, source=SOURCE)
        stack.push_async_callback(bus.close)
        relay = Relay(store, bus)
        relay.start()
        stack.push_async_callback(relay.stop)

        fleet = Fleet(store, clusters=clusters, pilot_tag=settings.pilot_tag)
        await fleet.take_over()
        snapshots = SnapshotWriter(store)
        await snapshots.start()
        stack.push_async_callback(snapshots.stop)
        launcher = Launcher(store, fleet, clusters)
        await launcher.start()
        stack.push_async_callback(launcher.stop)

        async def wake(workflow_id: WorkflowId) -> None:
            await fleet.wake(workflow_id)
            # A pause after a failure may be over: that is no change that the launcher would hear of.
            launcher.nudge()

        timers = Timers(store, Collection.WORKFLOWS, wake)
        timers.start()
        stack.push_async_callback(timers.stop)

        stack.push_async_callback(bus.drain)
        await bus.consume(Handlers(fleet, snapshots).handle)

        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=settings.mqs_url, timeout=5.0))
        routes = [
            *Workflows(fleet, store).routes(),
            *Taskforces(fleet, store, query_max_bytes=settings.query_max_bytes).routes(),
            *Queues(store, bus, http).routes(),
            *Reservations(bus).routes(),
            *Tms(fleet, store, bus, clusters).routes(),
            *Logs(store, bus).routes(),
            OpenRoute("GET", "/version", _version, "Get the version"),
        ]
        asgi = gateway.build(
            routes,
            Gatekeeper(await _verifier(settings, stack), rules=settings.auth_roles, projects=settings.auth_projects),
            version=version("ewms"),
            max_body_bytes=settings.max_body_bytes,
            health=health_routes({"mongodb": store.ping, "control": bus.ping}),
        )
        url = await stack.enter_async_context(
            serving(asgi, host=settings.gateway_host, port=settings.gateway_port, protocol=ReasonedProtocol)
        )
        yield Wms(store, fleet, url)


async def _verifier(settings: Settings, stack: AsyncExitStack) -> Verifier | None:
    if settings.auth == "off":
        return None
    verifier = Verifier(issuer=settings.auth_issuer, audience=settings.auth_audience)
    stack.push_async_callback(verifier.close)
    return verifier


async def _version(_: Request) -> Response:
    return answered({"service": "wms", "version": version("ewms")})
