"""Build a step worker once, by hand. Each part starts after the parts that it needs; all stop in reverse order."""

import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from ewms.worker.offers import load_offers
from ewms.worker.orders import OrderIntake, WmsVoice
from ewms.worker.presence import Presence
from ewms.worker.settings import WorkerSettings
from runtime.amqp import Connection
from runtime.bus.pools import declare_pool
from runtime.retry import call_until_there
from runtime.telemetry import log
from runtime.web.health import Check, health_routes, serve_routes
from schemas.errors import EWMSError, Unavailable
from schemas.topology import pool_service

#: How long the worker waits at its start for the broker, and for the exchanges that WMS declares.
_WAIT_S = 60.0


@asynccontextmanager
async def run_worker(settings: WorkerSettings) -> AsyncIterator[OrderIntake]:
    """Run a step worker during the block. It begins when the worker takes orders.

    Raises:
        Rejected: a module cannot be imported, or two definitions have one name.
        Unavailable: the broker did not come up in time.
    """
    pool = settings.worker_pool
    name = settings.worker_name or f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
    offers = load_offers(settings.worker_modules, pool)
    async with AsyncExitStack() as stack:
        connection = await Connection.connect(
            settings.control_amqp_url.get_secret_value(), name=f"ewms {pool_service(pool)} {name}", wait_s=_WAIT_S
        )
        stack.push_async_callback(connection.close)

        async def ping() -> None:
            if not connection.is_connected:
                raise Unavailable("the broker is away")

        checks: dict[str, Check] = {"control": ping}
        routes = health_routes(checks)
        await stack.enter_async_context(serve_routes(routes, host=settings.http_host, port=settings.http_port))
        await _declare_queue(connection, pool)

        voice = WmsVoice(connection.open_publisher(), pool=pool, worker=name)
        intake = OrderIntake(offers, voice, worker=name, n_slots=settings.worker_slots, modules=settings.worker_modules)
        presence = Presence(offers, voice, intake.book, worker=name, pool=pool, every_s=settings.worker_alive_s)
        presence.start()
        consumer = await connection.consume(
            pool_service(pool),
            intake.take_delivery,
            prefetch=settings.worker_slots,
            prepare=lambda channel: declare_pool(channel, pool),
        )
        log.info("ready", worker=name, pool=pool, workflows=sorted(offer.sent.name for offer in offers.values()))
        try:
            yield intake
        finally:
            await consumer.pause()
            await intake.drain()
            with suppress(EWMSError):
                await presence.leave()


async def _declare_queue(connection: Connection, pool: str) -> None:
    """Declare the pool's queue, once WMS has declared what it is bound to."""

    async def declare() -> None:
        async with connection.lend_channel() as channel:
            await declare_pool(channel, pool)

    await call_until_there(declare, missing=Unavailable, waiting_for="WMS", wait_s=_WAIT_S, cap_s=1.0)
