"""Build a step worker once, by hand. Each part starts after the parts that it needs; all stop in reverse order."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from ewms.steps.registrations import list_products
from ewms.worker.offers import load_offers
from ewms.worker.orders import OrderIntake, WmsVoice
from ewms.worker.presence import Presence
from ewms.worker.question_desk import QuestionDesk
from ewms.worker.settings import WorkerSettings
from ewms.worker.standstill import StandstillClock
from ewms.worker.subscription_source import WmsQuestions
from runtime.amqp import Connection, Consumer
from runtime.bus.pools import declare_pool
from runtime.bus.questions import Answerer, Asker
from runtime.concurrency.retry import call_until_there
from runtime.web.health import Check, health_routes, serve_routes
from schemas.broker.services import Service
from schemas.broker.topology import pool_service, worker_address
from schemas.errors import EWMSError, Unavailable

#: How long the worker waits at its start for the broker, and for the exchanges that WMS declares.
_WAIT_S = 60.0
#: How long the worker waits for WMS's answer whether it has registered everything.
_ANSWER_S = 5.0


@asynccontextmanager
async def run_worker(settings: WorkerSettings) -> AsyncIterator[Presence]:
    """Run a step worker during the block. The block begins when the worker can take orders.

    `GET /readyz` answers 200 when WMS has registered everything that the worker offers. The worker then also logs
    "registered".

    Raises:
        Rejected: a module cannot be imported, two definitions have one name, or the modules define nothing.
        Unavailable: the broker or WMS did not come up in time.
    """
    pool = settings.worker_pool
    name = settings.worker_name or f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
    offers = load_offers(settings.worker_modules, pool, alias=settings.worker_alias)
    async with AsyncExitStack() as stack:
        connection = await Connection.connect(
            settings.control_amqp_url.get_secret_value(), name=f"ewms {pool_service(pool)} {name}", wait_s=_WAIT_S
        )
        stack.push_async_callback(connection.close)

        async def ping() -> None:
            if not connection.is_connected:
                raise Unavailable("the broker is away")
            if consumer is not None and consumer.refusal is not None:
                raise consumer.refusal

        async def check_registered() -> None:
            if presence is None:
                raise Unavailable("the worker is starting")
            await presence.check_registered()

        presence: Presence | None = None
        consumer: Consumer | None = None
        checks: dict[str, Check] = {"control": ping, "registered": check_registered}
        routes = health_routes(checks)
        await stack.enter_async_context(
            serve_routes(routes, host=settings.http_host, port=settings.http_port, certificate=settings.certificate)
        )
        await _declare_queue(connection, pool)

        voice = WmsVoice(connection.open_publisher(), pool=pool, worker=name)
        asker = Asker(connection, service=pool_service(pool), user=pool_service(pool))
        ask = WmsQuestions(asker, asyncio.get_running_loop())
        desk = QuestionDesk(offers, n_threads=settings.worker_forms, limit_s=settings.worker_form_s, ask=ask)
        answerer = Answerer(
            connection,
            connection.open_publisher(),
            desk.answer,
            service=worker_address(pool, name),
            user=pool_service(pool),
        )
        await answerer.start()
        clock = StandstillClock()
        clock.start()
        stack.push_async_callback(clock.stop)
        intake = OrderIntake(
            offers,
            voice,
            worker=name,
            n_slots=settings.worker_slots,
            modules=settings.worker_modules,
            alias=settings.worker_alias,
            ask=ask,
            has_stood_still=clock.has_stood_still,
        )
        presence = Presence(
            offers,
            voice,
            partial(asker.ask, timeout_s=_ANSWER_S, to=Service.WMS),
            intake.book,
            worker=name,
            pool=pool,
            every_s=settings.worker_alive_s,
            products=list_products(),
        )
        presence.start()
        consumer = await connection.consume(
            pool_service(pool),
            intake.take_delivery,
            prefetch=settings.worker_slots,
            prepare=lambda _: declare_pool(connection, pool),
        )
        try:
            yield presence
        finally:
            await consumer.pause()
            await answerer.drain()
            await intake.drain()
            with suppress(EWMSError):
                await presence.leave()


async def _declare_queue(connection: Connection, pool: str) -> None:
    """Wait until WMS has declared the exchanges, then declare the pool's queue and bind it to them."""

    await call_until_there(
        lambda: declare_pool(connection, pool), missing=Unavailable, waiting_for="WMS", wait_s=_WAIT_S, cap_s=1.0
    )
