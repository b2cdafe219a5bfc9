"""Build WMS once, by hand: each part after the parts that it needs. Stop them in reverse order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx2

from runtime.bus.service_bus import Bus
from runtime.hosts.certificates import find_http_options
from runtime.kernel.indexes import IndexKeeper
from runtime.kernel.relay import Relay
from runtime.kernel.store import Store
from runtime.web.app import DoorLimits
from runtime.web.health import health_routes
from runtime.web.news.event_streams import EventStreams
from runtime.web.server.reason_phrases import ReasonedProtocol
from runtime.web.server.serving import serve_app
from schemas.broker.services import Service
from schemas.broker.token_sizes import max_queues
from wms.catalogue.catalogue_parts import Catalogue, build_catalogue
from wms.census.census import Census
from wms.engine.engine import Engine
from wms.engine.engine_parts import run_engine
from wms.engine.inputs import Inputs
from wms.fleet.choices.fleet_settings import Quota
from wms.fleet.choices.locations import LocationMap
from wms.fleet.choices.policy import FleetPolicy
from wms.fleet.fleet import Fleet
from wms.fleet.fleet_parts import run_fleet
from wms.fleet.stalls.depth_questions import SharedDepths
from wms.fleet.stalls.stall_watch import StallWatch
from wms.flows.flow_metrics import count_statuses
from wms.flows.flow_service import FlowService
from wms.gateway import app as gateway
from wms.gateway import catalogue
from wms.gateway.awx.requests import AwxParts
from wms.gateway.craton.routes import CratonParts
from wms.gateway.page_routes import SignIn, list_page_routes
from wms.gateway.roles import make_gatekeeper
from wms.indexes import list_indexes
from wms.insight.workflow_feed import WorkflowFeed
from wms.insight.workflow_reader import WorkflowReader
from wms.inventory.inventory_parts import Inventories, build_inventories
from wms.jobs.job_parts import Jobs, build_jobs
from wms.notifications.notification_parts import NotificationParts, build_notifications
from wms.processes.process_parts import ProcessParts, build_processes
from wms.processes.subscriptions.products import Products
from wms.processes.subscriptions.subscription_store import Subscriptions
from wms.schedules.schedule_parts import Schedules, build_schedules
from wms.secret_rotation import SecretRotation
from wms.secrets.secret_answers import SecretAnswers
from wms.secrets.secret_store import SecretStore
from wms.settings import WmsSettings
from wms.tenancy.organization_numbers import OrganizationNumbers
from wms.tenancy.organizations import Organizations
from wms.tenancy.teams import Teams
from wms.tenancy.users import Users
from wms.trees.jobs.job_reader import JobReader
from wms.trees.tree_parts import Trees, build_trees

SOURCE = "ewms/wms"


@dataclass(frozen=True, slots=True)
class Wms:
    """The parts of a running WMS that the entry point and tests use."""

    store: Store
    fleet: Fleet
    engine: Engine
    inputs: Inputs
    subscriptions: Subscriptions
    products: Products
    processes: ProcessParts
    trees: Trees
    notifications: NotificationParts
    schedules: Schedules
    inventories: Inventories
    tasks: Catalogue
    jobs: Jobs
    stall_watch: StallWatch
    #: Where the gateway listens. If the port in the settings is 0, this has the chosen port.
    gateway_url: str


@asynccontextmanager
async def run_wms(settings: WmsSettings) -> AsyncIterator[Wms]:
    """Run WMS during the block. It serves from the start of the block, and finishes accepted work at its end."""
    locations = LocationMap(settings.clusters)
    policy = FleetPolicy(locations, max_failures=settings.tms_action_retries + 1)
    async with AsyncExitStack() as stack:
        store = await Store.connect(
            settings.mongo_url.get_secret_value(), database=settings.mongo_database, source=SOURCE
        )
        stack.push_async_callback(store.close)
        indexes = IndexKeeper(store, list_indexes(), interval_s=settings.index_look_s)
        await indexes.start()
        stack.push_async_callback(indexes.stop)

        keys = settings.make_secret_keys()
        rotation = SecretRotation(store, keys)
        await rotation.encrypt_documents()

        bus = await Bus.connect(settings.control_amqp_url.get_secret_value(), service=Service.WMS.value, source=SOURCE)
        stack.push_async_callback(bus.close)
        relay = Relay(store, bus)
        relay.start()
        stack.push_async_callback(relay.stop)

        quota = Quota(settings.caller_workflows, settings.caller_workflows_waiting)
        fleet_parts = await stack.enter_async_context(
            run_fleet(
                store,
                bus,
                policy,
                images=settings.make_images(),
                quota=quota,
                max_queues=max_queues(
                    for_existing_clients=settings.legacy_clients, server=settings.broker_resource_server
                ),
            )
        )
        silence = timedelta(seconds=settings.step_worker_silence_s)
        census = Census(store, locations, worker_silence=silence)
        census.start()
        stack.push_async_callback(census.stop)
        subscriptions, products = Subscriptions(store), Products(store)
        engine_parts = await stack.enter_async_context(
            run_engine(store, bus, fleet_parts.fleet, subscriptions, keys=keys, source=SOURCE, silence=silence)
        )
        engine = engine_parts.engine
        count_statuses(engine)
        organizations = Organizations(store, rules=settings.organization_roles, checks_tokens=settings.auth != "off")
        processes = build_processes(engine_parts, organizations, subscriptions, products)
        trees = build_trees(store, engine, organizations)
        notifications = build_notifications(store, engine, organizations, settings.notification_settings)
        schedules = build_schedules(store, trees, organizations, Teams(store), keys)
        inventories = build_inventories(store, organizations)
        tasks = build_catalogue(store, engine, organizations, locations, settings.catalogue_settings)
        secrets = SecretStore(store, keys)
        jobs = build_jobs(
            store,
            engine,
            children=engine_parts.children,
            fleet=fleet_parts.fleet,
            queues=engine_parts.queues,
            organizations=organizations,
            catalogue=tasks,
            inventories=inventories,
            templates=trees.templates,
            logs=settings.make_job_logs(store),
            secrets=secrets,
            max_workers=settings.job_workers,
        )
        engine.effects.begin_task(rotation.encrypt_runs(), "secrets of runs")
        stack.callback(rotation.stop)
        await stack.enter_async_context(engine_parts.wake_runs())
        trees.turns.start()
        stack.push_async_callback(trees.turns.stop)
        engine.effects.begin_task(trees.labels.make_missing(), "missing labels")
        trees.orphans.start()
        stack.push_async_callback(trees.orphans.stop)
        await notifications.start()
        stack.push_async_callback(notifications.stop)
        schedules.runner.start()
        stack.push_async_callback(schedules.runner.stop)
        tasks.builds.start()
        stack.push_async_callback(tasks.builds.stop)
        jobs.start()
        stack.push_async_callback(jobs.stop)

        stack.push_async_callback(bus.drain)
        table = fleet_parts.handlers.build_table()
        engine_parts.handlers.add_to(table)
        products.add_to(table)
        await bus.consume(table)
        await bus.answer(SecretAnswers(store, secrets, keys, processes.questions.answer_question).answer_question)

        # MQS engine next to us, so ignore the proxies of the environment.
        http = httpx2.AsyncClient(
            base_url=settings.mqs_url, timeout=5.0, trust_env=False, **find_http_options(settings.mqs_url)
        )
        await stack.enter_async_context(http)
        streams = EventStreams()
        engine_parts.watch.start()
        stack.push_async_callback(engine_parts.watch.stop)
        # A page asks for a workflow, its graph and its causes at once, and all of them count the same queues.
        depths = SharedDepths(bus)
        views = WorkflowReader(fleet_parts.reader, depths)
        routes = catalogue.list_routes(
            fleet=fleet_parts.fleet,
            settings=fleet_parts.settings,
            quota=quota,
            taskforces=fleet_parts.taskforces,
            snapshots=fleet_parts.snapshots,
            offers=fleet_parts.offers,
            reader=fleet_parts.reader,
            verdicts=fleet_parts.verdicts,
            bus=bus,
            http=http,
            locations=locations,
            organizations=organizations,
            secrets=secrets,
            feed=WorkflowFeed(store, views),
            streams=streams,
            views=views,
            depths=depths,
            queues=engine_parts.queues,
            store=store,
            audit=trees.audit,
            query_max_bytes=settings.query_max_bytes,
        )
        if (verifier := settings.make_verifier()) is not None:
            stack.push_async_callback(verifier.close)
        sign_in = SignIn(settings.auth_issuer if settings.auth == "on" else "", settings.page_client_id)
        asgi = gateway.build_app(
            [*routes, *list_page_routes(sign_in)],
            make_gatekeeper(
                verifier,
                rules=settings.auth_roles,
                projects=settings.auth_projects,
                organizations=organizations,
            ),
            dialects=catalogue.list_other_dialects(
                organizations=organizations,
                streams=streams,
                flows=FlowService(store, engine),
                trees=AwxParts(
                    trees=trees,
                    notifications=notifications.service,
                    jobs=JobReader(store),
                    explainer=processes.explainer,
                    numbers=OrganizationNumbers(store),
                    organizations=organizations,
                    users=Users(store),
                    teams=Teams(store),
                    schedules=schedules.service,
                    watch=engine_parts.watch,
                    streams=streams,
                ),
                processes=processes,
                craton=CratonParts(
                    organizations=organizations,
                    streams=streams,
                    inventories=inventories,
                    tasks=tasks,
                    jobs=jobs,
                    watch=engine_parts.watch,
                ),
            ),
            limits=DoorLimits(max_body_bytes=settings.max_body_bytes, caller=settings.caller_limits),
            health=health_routes({"mongodb": store.ping, "control": bus.ping}),
            openapi_text=settings.openapi_text,
            mqs_openapi_text=settings.mqs_openapi_text,
        )
        url = await stack.enter_async_context(
            serve_app(
                asgi,
                host=settings.gateway_host,
                port=settings.gateway_port,
                protocol=ReasonedProtocol,
                limits=settings.connection_limits,
                certificate=settings.certificate,
            )
        )
        # The server waits for open streams, so they end before it stops.
        stack.callback(streams.stop)
        yield Wms(
            store=store,
            fleet=fleet_parts.fleet,
            stall_watch=fleet_parts.stall_watch,
            engine=engine,
            inputs=engine_parts.inputs,
            processes=processes,
            subscriptions=subscriptions,
            products=products,
            trees=trees,
            notifications=notifications,
            schedules=schedules,
            inventories=inventories,
            tasks=tasks,
            jobs=jobs,
            gateway_url=url,
        )
