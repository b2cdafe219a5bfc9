"""One WMS on real services, with its peers played by the test."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from deploy.local.servers.rabbitmq import RabbitMQ
from schemas.broker.topology import tms_service
from tests.integration.wms.peers import AUDIENCE, Issuer, Mqs, Tms
from wms.app import Wms, run_wms
from wms.encryption import make_key
from wms.fleet.choices.locations import Location, ServedBy
from wms.settings import WmsSettings

SCHEDD = "ewms@localhost"
#: Its TMS asks for its work over REST.
REST_SCHEDD = "SCHEDD1"
SEED = Path(__file__).parent / "seed_request.json"


@dataclass
class World:
    """The running WMS, its peers, and ways in."""

    wms: Wms
    #: Empty where no test needs them (`needs_fleet`).
    peers: tuple[Mqs, Tms] | tuple[()]
    issuer: Issuer
    settings: WmsSettings
    http: httpx2.AsyncClient

    @property
    def mqs(self) -> Mqs:
        """MQS, played by the test."""
        assert self.peers, "let the fixture needs_fleet return True"
        return self.peers[0]

    @property
    def tms(self) -> Tms:
        """A TMS, played by the test."""
        assert self.peers, "let the fixture needs_fleet return True"
        return self.peers[1]

    def as_user(self, subject: str = "ada", **claims: Any) -> dict[str, str]:
        """Return the headers of a signed-in caller."""
        return {"Authorization": f"Bearer {self.issuer.token(subject, **claims)}"}

    async def post(self, path: str, body: Any = None, *, subject: str = "ada", **headers: str) -> httpx2.Response:
        """POST as `subject`."""
        return await self.http.post(path, json=body, headers={**self.as_user(subject), **headers})

    async def get(self, path: str, *, subject: str = "ada") -> httpx2.Response:
        """GET as `subject`."""
        return await self.http.get(path, headers=self.as_user(subject))

    def as_tms(self, **claims: Any) -> dict[str, str]:
        """Return the headers of a TMS."""
        return self.as_user("tms", ewms_role="system-tms", **claims)

    async def submit(self, **fields: Any) -> dict[str, Any]:
        """Request a workflow; return the answer."""
        answer = await self.post("/v1/workflows", {**request(), **fields})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def taskforce(self, uuid: str) -> dict[str, Any]:
        """Return a taskforce as its owner sees it."""
        found: dict[str, Any] = (await self.get(f"/v1/taskforces/{uuid}")).json()
        return found

    async def until(self, uuid: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return a taskforce once `holds` is true of it; look again at every commit."""
        changed = asyncio.Event()
        self.wms.store.on_commit.append(listener := lambda _: changed.set())
        try:
            async with asyncio.timeout(60):
                while not holds(found := await self.taskforce(uuid)):
                    changed.clear()
                    # Snapshots are written outside of the kernel: no commit tells of them.
                    await asyncio.wait({asyncio.ensure_future(changed.wait())}, timeout=0.1)
            return found
        finally:
            self.wms.store.on_commit.remove(listener)

    async def in_phase(self, uuid: str, phase: str) -> dict[str, Any]:
        """Return a taskforce once it is in `phase`."""
        return await self.until(uuid, lambda taskforce: bool(taskforce["phase"] == phase))


def request() -> dict[str, Any]:
    """Return the example request that the existing services' README has, word for word (contract 1.3)."""
    body: dict[str, Any] = json.loads(SEED.read_text())
    return body


def phases(taskforce: dict[str, Any]) -> list[str]:
    """Return the phases that a taskforce's log tells of."""
    return [line["target_phase"] for line in taskforce["phase_change_log"] if line["was_successful"]]


@pytest.fixture
def database_of() -> str:
    """The service whose collections the databases of these tests have."""
    return "wms"


@pytest.fixture
def keeps_vhost() -> bool:
    """The control vhosts of these tests have inboxes of tests before."""
    return True


@pytest.fixture
def needs_fleet() -> bool:
    """Whether `world` has an MQS and a TMS. A third of the CPU of a start goes to them."""
    return True


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An OpenID issuer."""
    async with Issuer().serving() as serving:
        yield serving


@pytest.fixture
def wms_settings(
    mongo_url: str, mongo_database: str, rabbitmq: RabbitMQ, control_vhost: str, issuer: Issuer
) -> WmsSettings:
    """Settings of a WMS in a fresh database and vhost."""
    return WmsSettings(
        mongo_url=SecretStr(mongo_url),
        mongo_database=mongo_database,
        control_amqp_url=SecretStr(rabbitmq.amqp_url("wms", control_vhost)),
        gateway_port=0,
        auth_issuer=issuer.url,
        auth_audience=AUDIENCE,
        mqs_url=issuer.url,
        clusters={
            "osg": Location(schedd=SCHEDD),
            "sub-2": "osg",
            "chicago": Location(schedd="other@schedd", n_workers=3),
            "test-alpha": Location(schedd=REST_SCHEDD, served_by=ServedBy.REST, n_workers=4),
        },
        pilot_tag="1.2.3",
        secret_keys=(SecretStr(make_key()),),
    )


@pytest.fixture
async def world(
    wms_settings: WmsSettings, rabbitmq: RabbitMQ, control_vhost: str, issuer: Issuer, needs_fleet: bool
) -> AsyncIterator[World]:
    """WMS, MQS, a TMS, and an HTTP client."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(run_wms(wms_settings))
        peers = await _connect_peers(stack, rabbitmq, control_vhost) if needs_fleet else ()
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=running.gateway_url, timeout=60))
        yield World(running, peers, issuer, wms_settings, http)


async def _connect_peers(stack: AsyncExitStack, rabbitmq: RabbitMQ, vhost: str) -> tuple[Mqs, Tms]:
    mqs = await Mqs.connect(rabbitmq.amqp_url("mqs", vhost), "mqs")
    stack.push_async_callback(mqs.close)
    service = tms_service(SCHEDD)
    tms = await Tms.connect(rabbitmq.amqp_url(service, vhost), service)
    stack.push_async_callback(tms.close)
    return mqs, tms
