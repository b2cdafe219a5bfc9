"""The dialect on a real MongoDB, in front of a control that only writes down what it is asked for."""

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from runtime.kernel.store import Store
from runtime.once import Once
from runtime.web import app as web
from runtime.web.app import DoorLimits
from runtime.web.news.event_streams import EventStreams
from runtime.web.server.serving import serve_app
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.ids import RunId, RunUuid
from wms.engine import repository
from wms.engine.engine_lock import LockKeeper
from wms.engine.run_watch import RunWatch
from wms.engine.step_workers import StepWorkers
from wms.gateway.processes.dialect import PROCESSES
from wms.gateway.processes.routes import list_process_routes
from wms.gateway.roles import make_gatekeeper
from wms.insight.runs.run_explainer import RunExplainer
from wms.processes.acting_user import Pages
from wms.processes.definition_reader import DefinitionReader
from wms.processes.engine_switch import EngineLock
from wms.processes.process_feed import ProcessFeed
from wms.processes.process_parts import ProcessParts, SubscriptionParts
from wms.processes.process_reader import INDEXES, ProcessReader
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Principal


@dataclass
class WrittenControl:
    """Writes down each call, and raises what a test has put into `error`."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    error: Exception | None = None
    form: Mapping[str, Any] | None = None
    lock: EngineLock = field(default_factory=lambda: EngineLock(is_locked=False, n_running=2))

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error

    async def start_process(
        self, workflow: str, pages: Pages, principal: Principal, *, organization: str = "", once: Once | None = None
    ) -> RunUuid:
        self._note("start", workflow, list(pages), principal.subject, once is not None)
        return RunUuid("5a1c0000-0000-4000-8000-00000000000a")

    async def resume_process(self, run: RunDocument, pages: Pages, principal: Principal) -> None:
        self._note("resume", run.uuid, list(pages), principal.subject)

    async def abort_process(self, run: RunDocument, principal: Principal, *, why: str = "") -> None:
        self._note("abort", run.uuid, principal.subject, why)

    async def write_note(self, run: RunDocument, note: str, principal: Principal) -> None:
        self._note("note", run.uuid, note, principal.subject)

    async def resume_all(self, principal: Principal) -> int:
        self._note("resume-all", principal.subject)
        return 3

    async def answer_callback(self, process_id: RunUuid, token: str, body: Any) -> None:
        self._note("callback", process_id, token, body)

    async def note_progress(self, process_id: RunUuid, token: str, progress: Any) -> None:
        self._note("progress", process_id, token, progress)

    async def describe_form(self, run: RunDocument) -> Mapping[str, Any] | None:
        return self.form

    async def check_form(self, workflow: str, pages: Pages, principal: Principal) -> Mapping[str, Any]:
        self._note("check", workflow, list(pages), principal.subject)
        return {"node": "n1"}

    async def find_lock(self) -> EngineLock:
        return self.lock

    async def set_lock(self, principal: Principal, *, is_locked: bool) -> EngineLock:
        self._note("lock", principal.subject, is_locked)
        self.lock = EngineLock(is_locked=is_locked, n_running=self.lock.n_running)
        return self.lock


class Believer:
    """Believes each token: `<subject>` or `<subject>/<organization>/<role>`."""

    async def verify_token(self, token: str) -> Mapping[str, Any]:
        subject, _, place = token.partition("/")
        groups = [f"/organizations/{place}"] if place.count("/") else []
        return {"sub": subject, "groups": groups, "ewms_role": "superuser" if subject == "root" else ""}


_IDS = itertools.count(1)


class RestWorld:
    """The served dialect, and ways to put runs behind it."""

    def __init__(self, store: Store, control: WrittenControl, workers: StepWorkers, http: httpx2.AsyncClient) -> None:
        self.store = store
        self.control = control
        self.workers = workers
        self.http = http

    async def send(self, method: str, path: str, *, token: str = "root", **options: Any) -> httpx2.Response:
        """Send a request as the bearer of `token`."""
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        return await self.http.request(method, f"/api{path}", headers=headers, **options)

    async def put(self, run: RunDocument, **fields: Any) -> RunDocument:
        """Store a run under a new id; return it."""
        made = run.model_copy(update={"id": RunId(next(_IDS)), "uuid": RunUuid(str(uuid4())), **fields})
        await self.store.insert_new(RUNS, [repository.make_document(made)])
        return made


@pytest.fixture
async def store(mongo_url: str, mongo_database: str) -> AsyncIterator[Store]:
    store = await Store.connect(mongo_url, database=mongo_database, source="test")
    await store.ensure_indexes({RUNS: (*repository.INDEXES[RUNS], *INDEXES[RUNS])})
    yield store
    await store.close()


@pytest.fixture
async def rest(store: Store) -> AsyncIterator[RestWorld]:
    """The dialect, served on a port."""
    async with AsyncExitStack() as stack:
        reader, workers = ProcessReader(store), StepWorkers(store)
        control: Any = WrittenControl()
        watch, streams, organizations = RunWatch(store), EventStreams(), Organizations(store)
        feed = ProcessFeed(store, reader, watch)
        watch.start()
        stack.push_async_callback(watch.stop)
        absent: Any = None
        subscriptions = SubscriptionParts(reader=absent, products=absent, gate=absent, rules=absent)
        parts = ProcessParts(
            reader=reader,
            starts=control,
            service=control,
            callbacks=control,
            events=absent,
            switch=control,
            definitions=DefinitionReader(store, workers),
            feed=feed,
            subscriptions=subscriptions,
            questions=absent,
            explainer=RunExplainer(store, workers, LockKeeper(store)),
        )
        routes = list_process_routes(parts, organizations, streams)
        gatekeeper = make_gatekeeper(Believer(), organizations=organizations)
        app = web.build_app([(PROCESSES, routes)], gatekeeper, limits=DoorLimits(refusal_pause_s=0))
        url = await stack.enter_async_context(serve_app(app, host="127.0.0.1", port=0))
        stack.callback(streams.stop)
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=60))
        yield RestWorld(store, control, workers, http)
