"""Build MQS once, by hand. Each part starts after the parts that it needs; all stop in reverse order.

If several MQS run, one works and the others stand by (`runtime.kernel.duty`). All of them serve the keys of tokens.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from mqs.broker.data_vhost import DataVhost
from mqs.broker.progress_book import ProgressBook
from mqs.depths import Sampler
from mqs.end_watch import EndWatcher
from mqs.groups.making_room import RoomMaker
from mqs.groups.repository import INDEXES
from mqs.groups.requests import Groups
from mqs.handlers import MqsHandlers
from mqs.history.history_store import INDEXES as HISTORY_INDEXES
from mqs.history.history_store import HistoryStore
from mqs.letters.attempt_intake import AttemptsIntake
from mqs.letters.dead_letters import DeadLetterDesk
from mqs.letters.dead_readers import DeadReaders
from mqs.letters.letter_orders import LetterOrders
from mqs.queue_tokens import QueueTokens
from mqs.settings import MqsSettings
from mqs.site_queues import SiteQueues
from mqs.sweep import Sweeper
from mqs.tokens.jwks import jwks_route
from mqs.tokens.signing_keys import SigningKeyFiles, TokenIssuer
from mqs.tokens.user_limits import UserLimits
from runtime.amqp import Connection
from runtime.bus.service_bus import Bus
from runtime.kernel.duty import take_duty
from runtime.kernel.relay import Relay
from runtime.kernel.store import Store
from runtime.kernel.timers import Timers
from runtime.web.health import Check, StandbyState, health_routes, serve_routes
from schemas.broker.services import Service
from schemas.fleet.queue_documents import MQ_GROUPS

SOURCE = "ewms/mqs"


@dataclass(frozen=True, slots=True)
class Mqs:
    """The parts of a running MQS that the entry point and tests use."""

    store: Store
    broker: DataVhost
    groups: Groups
    issuer: TokenIssuer
    #: The URL that serves health, metrics and JWKS.
    url: str


@asynccontextmanager
async def run_mqs(settings: MqsSettings) -> AsyncIterator[Mqs]:
    """Run MQS during the block. It takes events from the block's start, and finishes the taken ones at its end.

    While another MQS works, the block does not begin.
    """
    async with AsyncExitStack() as stack:
        store = await Store.connect(
            settings.mongo_url.get_secret_value(), database=settings.mongo_database, source=SOURCE
        )
        stack.push_async_callback(store.close)
        await store.ensure_indexes({**INDEXES, **HISTORY_INDEXES})

        lives = timedelta(seconds=settings.user_token_life_s), timedelta(seconds=settings.pilot_token_life_s)
        files = SigningKeyFiles(settings.broker_key_file, settings.broker_public_key_file)
        issuer = TokenIssuer(files, store, issuer=settings.issuer, audience=settings.audience, longest_life=max(lives))
        # Fail now if the key cannot sign, and not only with the first workflow.
        await issuer.jwks_document()

        state = StandbyState("mqs")
        checks: dict[str, Check] = {"mongodb": store.ping, "started": state.check_started}
        url = await stack.enter_async_context(
            serve_routes(
                [*health_routes(checks), jwks_route(issuer)],
                host=settings.http_host,
                port=settings.http_port,
                certificate=settings.certificate,
            )
        )
        duty = await stack.enter_async_context(take_duty(store, Service.MQS.value, on_standby=state.stand_by))
        state.begin_start()

        broker = await DataVhost.connect(
            settings.data_amqp_url.get_secret_value(), settings.rabbitmq_api_url.get_secret_value()
        )
        stack.push_async_callback(broker.close)
        await broker.prepare_vhost(settings.limits)

        bus = await Bus.connect(settings.control_amqp_url.get_secret_value(), service=Service.MQS.value, source=SOURCE)
        stack.push_async_callback(bus.close)
        relay = Relay(store, bus)
        relay.start()
        stack.push_async_callback(relay.stop)

        groups = Groups(store, broker, budget=settings.budget, rules=settings.rules)
        book = ProgressBook(store, broker)
        history = HistoryStore(store, may_write=lambda: duty.is_held)
        sampler = Sampler(
            store, broker, groups, book, history=history, budget=settings.budget, interval_s=settings.sample_s
        )
        await sampler.sample_once()
        sampler.start()
        stack.push_async_callback(sampler.stop)
        room = RoomMaker(store, groups, settle=settings.rules.settle)
        room.start()
        stack.push_async_callback(room.stop)
        await groups.resume_all()
        timers = Timers(store, MQ_GROUPS, groups.wake_group)
        timers.start()
        stack.push_async_callback(timers.stop)

        user_limits = UserLimits(
            settings.rabbitmq_api_url.get_secret_value(), issuer, max_connections=settings.user_connections
        )
        stack.push_async_callback(user_limits.close)
        sweeper = Sweeper(
            store,
            broker,
            user_limits,
            patience=settings.patience,
            pilot_life=lives[1],
            interval_s=settings.sweep_s,
        )
        sweeper.start()
        stack.push_async_callback(sweeper.stop)

        intake = AttemptsIntake(
            store,
            broker,
            max_failed=settings.max_failed_attempts,
            max_done=settings.max_done_attempts,
            retention=timedelta(seconds=settings.retire_retention_s),
        )
        await intake.start()
        stack.push_async_callback(intake.stop)

        # Use a separate connection: reading thousands of dead letters must delay nothing else.
        reading = await Connection.connect(settings.data_amqp_url.get_secret_value(), name="ewms mqs dead letters")
        stack.push_async_callback(reading.close)
        readers = DeadReaders(reading)
        stack.push_async_callback(readers.close)
        broker.hold_loan = readers.hold_loan
        orders = LetterOrders(store, reading, readers, per_s=settings.replay_per_s)
        closer = EndWatcher(
            store,
            broker,
            groups,
            book,
            confirm_replays=orders.confirm_replays,
            settle_s=settings.settle_s,
            look_s=settings.broker_tick_s / 2,
        )
        closer.start()
        stack.push_async_callback(closer.stop)
        tokens = QueueTokens(
            groups,
            issuer,
            broker_address=settings.profile_address,
            user_life=lives[0],
            pilot_life=lives[1],
            legacy_clients=settings.legacy_clients,
            user_limits=user_limits,
        )
        handlers = MqsHandlers(
            store,
            broker,
            groups,
            book,
            settle_s=settings.settle_s,
            tokens=tokens,
            sites=SiteQueues(store, groups, tokens),
            history=history,
            dead_letters=DeadLetterDesk(store, readers, orders),
        )
        stack.push_async_callback(bus.drain)
        await bus.answer(handlers.answer_request)
        await bus.consume(handlers.build_table())

        del checks["started"]
        checks |= {"control": bus.ping, "data": broker.ping}
        yield Mqs(store, broker, groups, issuer, url)
