"""Each process is told where to meet the others, with its own password and nobody else's."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.local.choices.launch_options import SCHEDD, read_launch_options
from deploy.local.files.secret_files import MadeKeyFiles
from deploy.local.servers.broker import PORTS, BrokerAccess
from deploy.local.servers.broker_definitions import ADMIN, BrokerUser, service_names
from deploy.local.servers.mongo_accounts import list_databases, mongo_url, new_accounts
from deploy.local.system.wiring import POOL, BuilderPlaces, Endpoints, PoolName, ProcessSpec, process_specs
from schemas.automation.builds import BUILD_POOL
from schemas.broker.topology import pool_service, tms_service

USERS = {
    name: BrokerUser(name, f"password-of-{name}", b"salt")
    for name in (ADMIN, *service_names([SCHEDD], [POOL, BUILD_POOL]))
}
MONGO = new_accounts()
BUILDER = BuilderPlaces(
    Path("/data/builder"), Path("/data/images"), Path("/data/p/programs.json"), ("/bin/sh", "/data/p/download")
)
KEYS = MadeKeyFiles(Path("/run/key.pem"), Path("/run/key.pub.pem"))


def _wired(
    environment: dict[str, str],
    *,
    pool: PoolName = "condor",
    has_accounts: bool = False,
    holder: tuple[str, ...] = (),
    examples: Path | None = Path("/data/examples"),
    builder: BuilderPlaces | None = BUILDER,
) -> dict[str, ProcessSpec]:
    wires = Endpoints(
        mongo_urls={name: mongo_url(20_001, account) for name, account in MONGO.items()},
        broker=BrokerAccess(ports={name: 21_000 + n for n, name in enumerate(PORTS)}, users=USERS, key_files=KEYS),
        issuer_url="http://127.0.0.1:20003",
        issuer_config=Path("/run/issuer/issuer.json"),
        audience="ewms-rest",
        gateway_port=20_004,
        tms_port=20_005,
        pool=pool,
        tms_dir=Path("/run/tms"),
        apptainer=Path("/cache/usr/bin/apptainer"),
        condor_config=Path("/run/condor/condor_config") if pool == "condor" else None,
        pilot_tag="1.2.3",
        secret_keys=("a-key",),
        protected=(Path("/data"), Path("/run/logs")),
        has_accounts=has_accounts,
        job_holder=holder,
        examples=examples,
        worker_port=20_006,
        builder=builder,
        builder_port=20_007,
    )
    return process_specs(wires, read_launch_options(environment), environment)


def test_with_accounts_tms_knows_where_its_slots_begin() -> None:
    told: list[tuple[PoolName, str | None]] = [("condor", None), ("local", "11")]
    for pool, first in told:
        tms = _wired({}, pool=pool, has_accounts=True)["tms"].environment
        assert tms.get("EWMS_LOCAL_FIRST_ACCOUNT") == first
        assert tms["HOME"] == "/run/tms"
    assert "EWMS_LOCAL_FIRST_ACCOUNT" not in _wired({}, pool="local")["tms"].environment


def test_tms_knows_what_hides_our_files_from_its_pilots() -> None:
    told = _wired({}, pool="local", holder=("hide", "{}"))["tms"].environment
    assert json.loads(told["EWMS_LOCAL_HOLDER"]) == ["hide", "{}"]
    assert "EWMS_LOCAL_HOLDER" not in _wired({}, pool="local")["tms"].environment


def test_every_process_knows_its_own_password_alone() -> None:
    own = {
        "wms": ["wms"],
        "mqs": ["mqs"],
        "tms": [tms_service(SCHEDD)],
        "issuer": [],
        "worker": [pool_service(POOL)],
        "builder": [pool_service(BUILD_POOL)],
    }
    for name, spec in _wired({}).items():
        words = " ".join(spec.environment.values())
        assert [user for user, one in USERS.items() if f"{one.password}@" in words] == own[name]
        stores = [user for user, one in MONGO.items() if f"{user}:{one.password}@" in words]
        assert stores == [name for name in own[name] if name in list_databases()]
        assert not any(one.password in " ".join(spec.arguments) for one in (*USERS.values(), *MONGO.values()))


def test_wms_alone_holds_the_keys_of_the_secrets_that_users_store() -> None:
    holders = [name for name, spec in _wired({}).items() if "a-key" in " ".join(spec.environment.values())]
    assert holders == ["wms"]


def test_mqs_alone_holds_the_key_that_signs_queue_tokens() -> None:
    holders = [name for name, spec in _wired({}).items() if str(KEYS.private) in spec.environment.values()]
    assert holders == ["mqs"]


def test_tms_knows_the_directories_that_no_task_may_see_and_opens_none() -> None:
    environment = _wired({})["tms"].environment
    assert json.loads(environment["EWMS_PROTECTED_DIRECTORIES"]) == ["/data", "/run/logs"]
    assert "EWMS_EXTERNAL_ROOTS" not in environment


def test_the_processes_meet() -> None:
    wired = _wired({})
    assert list(wired) == ["issuer", "mqs", "wms", "tms", "worker", "builder"]
    mqs, wms, tms = (wired[name].environment for name in ("mqs", "wms", "tms"))
    assert urlsplit(mqs["EWMS_MONGO_URL"]).port == urlsplit(wms["EWMS_MONGO_URL"]).port == 20_001
    # The broker asks for keys where MQS serves, and WMS passes them on from there.
    assert mqs["EWMS_HTTP_PORT"] == str(21_000 + PORTS.index("jwks"))
    assert wms["EWMS_MQS_URL"] == mqs["EWMS_MQS_URL"] == f"http://127.0.0.1:{mqs['EWMS_HTTP_PORT']}"
    assert wired["issuer"].ready_url.startswith(wms["EWMS_AUTH_ISSUER"])
    assert wired["wms"].ready_url == f"http://127.0.0.1:{wms['EWMS_GATEWAY_PORT']}/readyz"
    assert wired["tms"].ready_url == f"http://127.0.0.1:{tms['EWMS_HTTP_PORT']}/readyz"
    assert json.loads(wms["EWMS_CLUSTERS"])["local"] == {"schedd": tms["EWMS_SCHEDD"]}


def test_a_step_worker_finds_the_examples_and_is_there_only_with_them() -> None:
    worker = _wired({})["worker"].environment
    modules = json.loads(worker["EWMS_WORKER_MODULES"])
    folders = [Path(folder) for folder in worker["PYTHONPATH"].split(":")]
    assert all(any((folder / f"{module}.py").exists() for folder in folders) for module in modules)
    assert "worker" not in _wired({}, examples=None)


def test_the_builder_serves_its_pool_and_puts_images_where_this_machine_s_jobs_find_them() -> None:
    builder = _wired({"EWMS_CLUSTERS": '{"far": {"schedd": "a.example.org"}, "near": "local"}'})["builder"].environment
    assert builder["EWMS_WORKER_POOL"] == BUILD_POOL
    assert builder["EWMS_GATEWAY"] == "http://127.0.0.1:20004"
    here = {"directory": "/data/images"}
    assert json.loads(builder["EWMS_BUILD_LOCATIONS"]) == {"local": here, "near": here}
    assert "EWMS_BUILD_ACCOUNT" not in builder
    assert "builder" not in _wired({}, builder=None)


def test_with_accounts_builds_run_as_an_account_of_their_own() -> None:
    places = replace(BUILDER, holder=("as", "account"), account=1234)
    builder = _wired({}, builder=places)["builder"].environment
    assert json.loads(builder["EWMS_BUILD_HOLDER"]) == ["as", "account"]
    assert builder["EWMS_BUILD_ACCOUNT"] == "1234"


def test_everything_listens_on_loopback() -> None:
    for spec in _wired({}).values():
        for name in ("EWMS_GATEWAY_HOST", "EWMS_HTTP_HOST"):
            assert spec.environment.get(name, "127.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize("pool", ["condor", "local"])
def test_the_local_pool_is_told_nothing_of_htcondor(pool: PoolName) -> None:
    tms = _wired({}, pool=pool)["tms"].environment
    assert tms["EWMS_POOL"] == pool
    assert ("CONDOR_CONFIG" in tms) == (pool == "condor")


def test_what_the_caller_passes_on_comes_over_what_a_process_would_be_told() -> None:
    given = {"EWMS_AUTH": "off", "EWMS_BROKER_ADDRESS": "user@broker.example.org:5671/ewms", "EWMS_LOG_LEVEL": "DEBUG"}
    wired = _wired({**given, "EWMS_MONGO_URL": "mongodb://production/"})
    for name in ("mqs", "wms", "tms"):
        assert given.items() <= wired[name].environment.items()
        assert "production" not in str(wired[name].environment)


def test_no_other_variable_of_the_callers_reaches_a_process() -> None:
    for spec in _wired({"HOME": "/home/me", "PATH": "/bin", "CONDOR_CONFIG": "/etc/x", "SECRET": "canary"}).values():
        assert "canary" not in spec.environment.values()
        assert spec.environment["HOME"] == "/home/me"
        assert spec.environment.get("CONDOR_CONFIG") != "/etc/x"
