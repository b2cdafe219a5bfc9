"""TLS between all of them with a site's own authority: the broker and the database have the files of `deploy/`."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from pydantic import SecretStr

from deploy.local.children.processes import LaunchedProcesses
from deploy.local.choices.launch_options import SCHEDD
from deploy.local.choices.ports import Ports
from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import make_empty
from deploy.local.servers.broker import PORTS
from deploy.local.servers.rabbitmq import BrokerPlan
from deploy.local.system.data_directory import throwaway_data
from ewms import Task, Workflow, aio
from ewms.errors import Unreachable
from mqs.app import run_mqs
from mqs.broker.management import Management
from mqs.settings import MqsSettings
from runtime.amqp import CertificateRefused, Connection
from runtime.hosts.certificates import VARIABLE, make_tls_context
from runtime.kernel.store import Store
from schemas.broker.topology import CONTROL_VHOST, DATA_VHOST, tms_service
from schemas.errors import EWMSError, Unavailable
from tests.integration.deploy.tls_servers import SiteCertificates, TlsBroker, TlsDatabase
from tests.integration.tms.process import TmsProcess
from wms.app import run_wms
from wms.fleet.choices.locations import Location
from wms.settings import WmsSettings


@dataclass(frozen=True)
class Site:
    """The running servers, and their certificates."""

    broker: TlsBroker
    mongo_url: str
    mqs_mongo_url: str
    certificates: SiteCertificates


@pytest.fixture(scope="module")
def site(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A broker and a database that let in only clients with TLS."""
    run = tmp_path_factory.mktemp("site")
    certificates = SiteCertificates.make(run / "certificates")
    ports = Ports()
    data = throwaway_data(make_empty(run / "data"))
    with LaunchedProcesses() as children:
        broker = TlsBroker(
            children,
            installed.broker,
            make_empty(run / "rabbitmq"),
            run / "rabbitmq.log",
            BrokerPlan(schedds=(SCHEDD,)),
            ports=ports.take_ports(PORTS),
            data=data.make_place("rabbitmq"),
            secrets=data.secrets,
        )
        broker.certificates = certificates
        home = make_empty(run / "mongodb")
        database = TlsDatabase(children, installed.mongod, home, ports.take_one("mongodb"), certificates)
        mongo_urls = database.start()
        broker.start()
        yield Site(broker, *mongo_urls, certificates)
        broker.stop()


def make_token(broker: TlsBroker) -> str:
    """Return a queue token, as MQS signs it for a pilot."""
    now = int(time.time())
    claims = {"sub": "pilot", "aud": "ewms", "iat": now, "exp": now + 600, "scope": "ewms.read:ewms/q"}
    key = broker.key_files.private.read_bytes()
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": broker.key_files.kid})


def make_wms_settings(site: Site) -> WmsSettings:
    """Return the settings of a WMS that serves https."""
    return WmsSettings(
        mongo_url=SecretStr(site.mongo_url),
        control_amqp_url=SecretStr(site.broker.amqp_url("wms", CONTROL_VHOST)),
        clusters={"osg": Location(schedd=SCHEDD)},
        gateway_port=0,
        auth="off",
        tls_cert_file=site.certificates.find("gateway.crt"),
        tls_key_file=site.certificates.find("gateway.key"),
    )


def make_mqs_settings(site: Site) -> MqsSettings:
    """Return the settings of an MQS that serves https."""
    environment: dict[str, Any] = {
        "mongo_url": site.mqs_mongo_url,
        "control_amqp_url": site.broker.amqp_url("mqs", CONTROL_VHOST),
        "data_amqp_url": site.broker.amqp_url("mqs", DATA_VHOST),
        "rabbitmq_api_url": site.broker.api_url,
        "EWMS_BROKER_ADDRESS": f"amqps://127.0.0.1:{site.broker.ports['amqp']}/{DATA_VHOST}",
        "EWMS_BROKER_KEY_FILE": site.broker.key_files.private,
        "EWMS_BROKER_PUBLIC_KEY_FILE": site.broker.key_files.public,
        "tls_cert_file": site.certificates.find("gateway.crt"),
        "tls_key_file": site.certificates.find("gateway.key"),
    }
    return MqsSettings(**environment)


async def test_a_whole_workflow_runs_over_tls(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(site.certificates.ca))
    # As docs/howto/encrypt.md says: TMS sends the authority along with the pilot.
    tms = TmsProcess(
        {
            "PATH": os.environ["PATH"],
            VARIABLE: str(site.certificates.ca),
            "EWMS_CONTROL_AMQP_URL": site.broker.amqp_url(tms_service(SCHEDD), CONTROL_VHOST),
            "EWMS_SCHEDD": SCHEDD,
            "EWMS_POOL": "local",
            "EWMS_TMS_DIR": str(tmp_path / "tms"),
            "EWMS_ALLOWED_PLATFORMS": '["none"]',
            "EWMS_PILOT_COMMAND": json.dumps([sys.executable, "-m", "pilot"]),
            "EWMS_PILOT_FILES": json.dumps([str(site.certificates.ca)]),
            "EWMS_PILOT_ENVIRONMENT": json.dumps({"EWMS_PILOT_CA_FILE": site.certificates.ca.name}),
            "EWMS_TLS_CERT_FILE": str(site.certificates.find("gateway.crt")),
            "EWMS_TLS_KEY_FILE": str(site.certificates.find("gateway.key")),
        },
        tmp_path / "tms.log",
    )
    task = Task(
        image="none",
        args="sh -c 'tr a-z A-Z < {{INFILE}} > {{OUTFILE}}'",
        inputs=["words"],
        outputs=["loud"],
        clusters=["osg"],
        n_workers=1,
        memory="64M",
        disk="64M",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none"},
    )
    async with run_mqs(make_mqs_settings(site)) as mqs, run_wms(make_wms_settings(site)) as wms:
        assert mqs.url.startswith("https://127.0.0.1:")
        await tms.start()
        try:
            async with aio.AsyncClient(wms.gateway_url) as ews:
                run = await ews.submit(Workflow(public=["words", "loud"], tasks=[task]))
                async with run.queue("words").publisher() as publisher:
                    for number in range(20):
                        await publisher.send(f"word-{number}")
                results = [event.body async for event in run.queue("loud").results(n=20, idle_timeout=60)]
                assert sorted(results) == sorted(f"WORD-{number}" for number in range(20))
                await run.close_inputs()
                await run.wait("over", timeout="60s")
        except BaseException:
            print(tms.log.read_text()[-3000:])
            raise
        finally:
            await tms.stop()


async def test_services_clients_and_pilots_reach_everything_over_tls(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(site.certificates.ca))
    async with run_wms(make_wms_settings(site)) as wms:
        assert wms.gateway_url.startswith("https://127.0.0.1:")
        async with aio.AsyncClient(wms.gateway_url) as ews:
            assert "osg" in {place.name for place in await ews.clusters()}
            ready = {finding.what: finding.told for finding in await ews.checkup()}
        assert (ready["gateway's mongodb"], ready["gateway's control"]) == ("ok", "ok")
        async with httpx2.AsyncClient(base_url=wms.gateway_url, verify=make_tls_context(site.certificates.ca)) as http:
            # More than the socket takes at once, twice over the same connection.
            for _ in range(2):
                document = (await http.get("/docs/openapi.json", headers={"Accept-Encoding": "identity"})).content
                assert len(document) > 200_000
                assert json.loads(document)["openapi"]
        plain = wms.gateway_url.replace("https://", "http://")
        async with httpx2.AsyncClient() as http:
            with pytest.raises(httpx2.TransportError):
                await http.get(f"{plain}/healthz")
    async with asyncio.timeout(30):
        api = Management(site.broker.api_url, vhost=DATA_VHOST)
        assert await api.read_version(wait_s=20) >= (4, 0)
        await api.close()
    # A pilot has no such variable: its TMS names the file. Its address comes from MQS, with a user and no password.
    monkeypatch.delenv(VARIABLE)
    address = f"amqps://user@127.0.0.1:{site.broker.ports['amqp']}/{DATA_VHOST}"
    token = make_token(site.broker)
    connection = await Connection.connect(address, token=token, ca_file=str(site.certificates.ca))
    await connection.close()


async def test_a_server_that_the_authority_did_not_sign_is_refused_with_what_helps(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(site.certificates.other_ca))
    with pytest.raises(CertificateRefused, match="the broker's certificate is refused: ") as refused:
        # A wrong authority becomes no better by waiting.
        await Connection.connect(site.broker.amqp_url("wms", CONTROL_VHOST), wait_s=600)
    assert_tells_remedy(refused.value)
    with pytest.raises(Unavailable, match="the database's certificate is refused: ") as away:
        await Store.connect(site.mongo_url, database="WMS_DB", source="ewms/test")
    assert_tells_remedy(away.value)
    api = Management(site.broker.api_url, vhost=DATA_VHOST)
    with pytest.raises(Unavailable, match="the certificate of the management API is refused: ") as silent:
        await api.read_version(wait_s=0)
    assert_tells_remedy(silent.value)
    await api.close()
    server = f"https://127.0.0.1:{site.broker.ports['management']}"
    async with aio.AsyncClient(server, token="t", timeout=5) as ews:
        with pytest.raises(Unreachable, match=f"the certificate of {server} is refused: ") as unreachable:
            await ews.clusters()
    assert_tells_remedy(unreachable.value)


async def test_without_tls_nobody_gets_in(site: Site) -> None:
    plain = site.broker.amqp_url("wms", CONTROL_VHOST).replace("amqps://", "amqp://")
    with pytest.raises(EWMSError):
        await Connection.connect(plain, timeout_s=3)
    with pytest.raises(Unavailable):
        await Store.connect(site.mongo_url.replace("&tls=true", ""), database="WMS_DB", source="ewms/test")


def assert_tells_remedy(error: EWMSError) -> None:
    """Check that an error says which variable must name which file."""
    assert error.hint == f"set {VARIABLE} to the file with the certificate of the authority that signed it"
