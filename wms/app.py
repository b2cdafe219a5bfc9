"""Build WMS once, by hand: each part after the parts that it needs. Stop them in reverse order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx2

from runtime.bus.service_bus import Bus
from runtime.kernel.indexes import IndexKeeper
from runtime.kernel.relay import Relay
from runtime.kernel.store import Store
from runtime.kernel.timers import Timers
from runtime.web.app import DoorLimits
from runtime.web.event_streams import EventStreams
from runtime.web.health import health_routes
from runtime.web.reason_phrases import ReasonedProtocol
from runtime.web.serving import serve_app
from schemas.documents import WORKFLOWS
from schemas.ids import WorkflowId
from schemas.rules.token_sizes import max_queues
from schemas.run_documents import RUNS
from schemas.services import Service
from wms.catalogue.catalogue_parts import Catalogue, build_catalogue
from wms.census.census import Census
from wms.engine.child_forms import ChildForms
from wms.engine.child_workflows import ChildWorkflows
from wms.engine.children import Children
from wms.engine.effects import Effects
from wms.engine.engine import Engine
from wms.engine.engine_lock import LockKeeper
from wms.engine.handlers import EngineHandlers
from wms.engine.inputs import Inputs
from wms.engine.run_watch import RunWatch
from wms.engine.step_workers import StepWorkers
from wms.engine.worker_questions import WorkerQuestions
from wms.engine.workflow_queues import WorkflowQueues
from wms.fleet.event_handlers import FleetHandlers
from wms.fleet.fleet import Fleet, Quota
from wms.fleet.launcher import Launcher
from wms.fleet.locations import LocationMap
from wms.fleet.object_reader import ObjectReader
from wms.fleet.policy import FleetPolicy
from wms.fleet.stalls.stall_watch import StallWatch
from wms.fleet.stalls.verdict_renewal import VerdictRenewal
from wms.fleet.status_snapshots import SnapshotWriter
from wms.fleet.taskforce_control import TaskforceControl
from wms.fleet.transactions import FleetTransactions
from wms.fleet.work_offers import WorkOffers
from wms.flows.flow_metrics import count_statuses
from wms.flows.flow_service import FlowService
from wms.gateway import app as gateway
from wms.gateway import catalogue
from wms.gateway.awx.requests import AwxParts
from wms.gateway.craton.routes import CratonParts
from wms.gateway.page_routes import SignIn, list_page_routes
from wms.gateway.processes.routes import ProcessParts
from wms.gateway.processes.subscriptions import SubscriptionParts
from wms.gateway.roles import make_gatekeeper
from wms.indexes import list_indexes
from wms.insight.workflow_feed import WorkflowFeed
from wms.insight.workflow_reader import WorkflowReader
from wms.inventory.inventory_parts import Inventories, build_inventories
from wms.jobs.job_parts import Jobs, build_jobs
from wms.notifications.notification_parts import NotificationParts, build_notifications
from wms.processes.definition_reader import DefinitionReader
from wms.processes.gate_rules import GateRules
from wms.processes.outside_events import OutsideEvents
from wms.processes.process_feed import ProcessFeed
from wms.processes.process_reader import ProcessReader
from wms.processes.process_service import ProcessService
from wms.processes.products import Products
from wms.processes.start_gate import StartGate
from wms.processes.step_questions import StepQuestions
from wms.processes.subscription_reader import SubscriptionReader
from wms.processes.subscriptions import Subscriptions
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
    processes: ProcessService
    subscription_reader: SubscriptionReader
    start_gate: StartGate
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

        transactions = FleetTransactions(store, policy)
        fleet = Fleet(
            transactions,
            images=settings.make_images(),
            quota=Quota(settings.caller_workflows, settings.caller_workflows_waiting),
            max_queues=max_queues(for_existing_clients=settings.legacy_clients, server=settings.broker_resource_server),
        )
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

        silence = timedelta(seconds=settings.step_worker_silence_s)
        census = Census(store, locations, worker_silence=silence)
        census.start()
        stack.push_async_callback(census.stop)
        workers = StepWorkers(store, silence=silence)
        effects = Effects(bus, workers, source=SOURCE, keys=keys)
        subscriptions, products = Subscriptions(store), Products(store)
        lock = LockKeeper(store)
        await lock.start()
        stack.push_async_callback(lock.stop)
        engine = Engine(store, effects, workers, subscriptions, lock)
        count_statuses(engine)
        organizations = Organizations(store, rules=settings.organization_roles, checks_tokens=settings.auth != "off")
        trees = build_trees(store, engine, organizations)
        notifications = build_notifications(store, engine, organizations, settings.notification_settings)
        schedules = build_schedules(store, trees, organizations, Teams(store), keys)
        inventories = build_inventories(store, organizations)
        tasks = build_catalogue(store, engine, organizations, locations, settings.catalogue_settings)
        inputs = Inputs(engine, store)
        queues = WorkflowQueues(bus)
        workflows = ChildWorkflows(engine, store, fleet, queues)
        workflows.start()
        stack.callback(workflows.stop)
        children = Children(engine, store, workflows)
        secrets = SecretStore(store, settings.make_secret_keys())
        jobs = build_jobs(
            store,
            engine,
            children=children,
            fleet=fleet,
            queues=queues,
            organizations=organizations,
            catalogue=tasks,
            inventories=inventories,
            templates=trees.templates,
            logs=settings.make_job_logs(store),
            secrets=secrets,
            max_workers=settings.job_workers,
        )
        questions = WorkerQuestions(bus, store, silence=silence)
        ChildForms(engine, questions)
        stack.push_async_callback(effects.stop)
        effects.begin_task(rotation.encrypt_runs(), "secrets of runs")
        stack.callback(rotation.stop)
        workers.start()
        stack.push_async_callback(workers.stop)
        run_timers = Timers(store, RUNS, engine.wake_run)
        effects.on_wake_at.append(run_timers.wake_by)
        run_timers.start()
        stack.push_async_callback(run_timers.stop)
        trees.turns.start()
        stack.push_async_callback(trees.turns.stop)
        effects.begin_task(trees.labels.make_missing(), "missing labels")
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
        table = FleetHandlers(fleet, taskforces, snapshots).build_table()
        EngineHandlers(engine, workers).add_to(table)
        products.add_to(table)
        await bus.consume(table)
        of_steps = StepQuestions(store, subscriptions, products).answer_question
        await bus.answer(SecretAnswers(store, secrets, of_steps).answer_question)

        # MQS runs next to us, so ignore the proxies of the environment.
        http = httpx2.AsyncClient(base_url=settings.mqs_url, timeout=5.0, trust_env=False)
        await stack.enter_async_context(http)
        streams = EventStreams()
        processes = ProcessService(engine, questions, lock, organizations)
        subscription_reader, start_gate = SubscriptionReader(store, subscriptions), StartGate(subscriptions, products)
        process_reader = ProcessReader(store)
        watch = RunWatch(store)
        watch.start()
        stack.push_async_callback(watch.stop)
        feed = ProcessFeed(store, process_reader, watch)
        objects = ObjectReader(store, locations)
        views = WorkflowReader(objects, bus)
        routes = catalogue.list_routes(
            fleet=fleet,
            taskforces=taskforces,
            snapshots=snapshots,
            offers=WorkOffers(store, bus, policy),
            reader=objects,
            verdicts=VerdictRenewal(store, bus),
            bus=bus,
            http=http,
            locations=locations,
            organizations=organizations,
            secrets=secrets,
            feed=WorkflowFeed(store, views),
            streams=streams,
            views=views,
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
                    numbers=OrganizationNumbers(store),
                    organizations=organizations,
                    users=Users(store),
                    teams=Teams(store),
                    schedules=schedules.service,
                    watch=watch,
                    streams=streams,
                ),
                processes=ProcessParts(
                    reader=process_reader,
                    control=processes,
                    events=OutsideEvents(inputs),
                    definitions=DefinitionReader(store, workers),
                    feed=feed,
                    subscriptions=SubscriptionParts(
                        reader=subscription_reader, products=products, gate=start_gate, rules=GateRules(questions)
                    ),
                ),
                craton=CratonParts(
                    organizations=organizations,
                    streams=streams,
                    inventories=inventories,
                    tasks=tasks,
                    jobs=jobs,
                    watch=watch,
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
            )
        )
        # The server waits for open streams, so they end before it stops.
        stack.callback(streams.stop)
        yield Wms(
            store=store,
            fleet=fleet,
            engine=engine,
            inputs=inputs,
            subscriptions=subscriptions,
            products=products,
            processes=processes,
            subscription_reader=subscription_reader,
            start_gate=start_gate,
            trees=trees,
            notifications=notifications,
            schedules=schedules,
            inventories=inventories,
            tasks=tasks,
            jobs=jobs,
            stall_watch=stall_watch,
            gateway_url=url,
        )
