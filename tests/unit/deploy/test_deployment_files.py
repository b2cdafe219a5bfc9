"""The files with which operators deploy EWMS. No systemd, Kubernetes or compose runs here: these are static checks."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy.local.servers.condor_config import PoolPlan, pool_configuration
from deploy.local.servers.mongodb import MongoDB
from deploy.local.servers.rabbitmq_config import configuration_text
from wms.gateway.roles import Role

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes/services.yaml").read_text()))
DOCKERFILE = (DEPLOY / "images/Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
SERVICES = ("wms", "mqs", "tms", "steps")
#: systemd's figure for what a service could do to the machine: 0 is nothing, 10 everything.
MOST_EXPOSED = 2.0

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="this machine has no systemd-analyze"
)


def test_every_service_has_a_unit_with_its_own_account_and_file() -> None:
    assert [unit.name.partition(".")[0].rstrip("@").removeprefix("ewms-") for unit in UNITS] == sorted(SERVICES)
    for unit in UNITS:
        service, text = unit.name.partition(".")[0].rstrip("@"), unit.read_text()
        assert f"\nUser={service}\n" in text
        assert re.search(r"^EnvironmentFile=/etc/ewms/", text, re.MULTILINE)


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_a_unit_and_finds_it_hardened(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    # systemd looks for the program, and /opt/ewms is not here.
    copy.write_text(re.sub(r"/opt/ewms/bin/\w+", sys.executable, unit.read_text()))
    verified = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert unit.name.partition("@")[0] not in verified.stderr, verified.stderr
    command = ["systemd-analyze", "security", "--offline=true", copy]
    rated = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", rated.stdout)
    assert found, rated.stderr
    assert float(found[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_a_manifest_fits_kubernetes(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, "1.30", strict=True)


def test_containers_are_not_root_and_write_nothing() -> None:
    pods = [one["spec"]["template"]["spec"] for one in MANIFESTS if one["kind"] == "Deployment"]
    assert len(pods) == 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    for name in ("wms", "mqs", "steps"):
        assert COMPOSE["services"][name]["cap_drop"] == ["ALL"]
        assert COMPOSE["services"][name]["read_only"] is True


def test_every_target_and_copied_directory_of_the_images_is_there() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE))
    assert {*SERVICES, "pilot"} <= targets
    for name in ("wms", "mqs", "steps"):
        assert COMPOSE["services"][name]["build"]["target"] in targets
    copied = [word for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]]
    assert copied
    for source in copied:
        assert (DEPLOY.parent / source).exists(), source
    packages = {line for line in copied if (DEPLOY.parent / line).is_dir()}
    assert packages == {"schemas", "runtime", "wms", "mqs", "tms", "pilot", "ewms", "processes", "deploy", "web"}
    last_users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert last_users == ["10001"]


def list_mounted(service: dict[str, Any]) -> set[str]:
    """Return the paths that a service of the compose file has from files outside."""
    return {volume.split(":")[1] for volume in service["volumes"]}


def test_in_containers_every_hop_has_tls_with_files_that_are_mounted() -> None:
    text = (DEPLOY / "compose/compose.yaml").read_text()
    made = {
        word.partition("=")[0]
        for word in re.findall(r"\w+=[\w,]+", text.split("ewms-admin certificates")[1].splitlines()[0])
    }
    services = COMPOSE["services"]
    for name in ("wms", "mqs", "steps"):
        environment = services[name]["environment"]
        files = {environment[f"EWMS_{part}_FILE"] for part in ("CA", "TLS_CERT", "TLS_KEY")}
        assert files == {f"/etc/ewms/tls/{file}" for file in ("ca.crt", f"{name}.crt", f"{name}.key")}
        assert files <= list_mounted(services[name])
        assert name in made
    assert services["wms"]["environment"]["EWMS_MQS_URL"].startswith("https://mqs:")
    broker = read_settings((DEPLOY / "compose/rabbitmq.conf").read_text())
    files = {value for value in broker.values() if value.startswith("/etc/ewms/tls/")}
    assert files == {f"/etc/ewms/tls/{file}" for file in ("ca.crt", "broker.crt", "broker.key")}
    assert files <= list_mounted(services["rabbitmq"])
    assert broker["listeners.tcp"] == "none"
    assert not [name for name in broker if re.match(r"(listeners|management)\.tcp\.", name)]
    assert services["rabbitmq"]["ports"] == [f"127.0.0.1:{broker['listeners.ssl.default']}:5671"]
    assert broker["auth_oauth2.jwks_uri"].startswith(f"https://mqs:{services['mqs']['environment']['EWMS_HTTP_PORT']}/")
    assert broker["auth_oauth2.https.peer_verification"] == "verify_peer"
    database = dict(word.removeprefix("--").partition("=")[::2] for word in services["mongodb"]["command"])
    assert database["tlsMode"] == "requireTLS"
    assert {database["tlsCAFile"], database["tlsCertificateKeyFile"]} <= list_mounted(services["mongodb"])
    assert {"broker", "database"} <= made


def test_on_kubernetes_every_port_speaks_https_with_a_secret_that_is_mounted() -> None:
    deployments = [one for one in MANIFESTS if one["kind"] == "Deployment"]
    for one in deployments:
        pod = one["spec"]["template"]["spec"]
        [container] = pod["containers"]
        environment = {each["name"]: each["value"] for each in container["env"]}
        files = [environment[f"EWMS_{part}_FILE"] for part in ("CA", "TLS_CERT", "TLS_KEY")]
        assert files == [f"/etc/ewms/tls/{file}" for file in ("ca.crt", "tls.crt", "tls.key")]
        assert {"name": "tls", "mountPath": "/etc/ewms/tls", "readOnly": True} in container["volumeMounts"]
        [secret] = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "tls"]
        assert secret["secretName"] == f"{one['metadata']['name']}-tls"
        assert {container[f"{kind}Probe"]["httpGet"]["scheme"] for kind in ("liveness", "readiness")} == {"HTTPS"}
        assert not [value for value in environment.values() if value.startswith("http://")]
    ports = [port for one in MANIFESTS if one["kind"] == "Service" for port in one["spec"]["ports"]]
    assert [port["targetPort"] for port in ports] == ["https"] * len(deployments)


def test_compose_publishes_ports_on_loopback_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_realm_gives_the_claims_that_the_gateway_reads() -> None:
    realm = json.loads((DEPLOY / "keycloak/realm-ewms.json").read_text())
    mappers = {mapper["config"].get("claim.name") for mapper in realm["clientScopes"][0]["protocolMappers"]}
    assert {"groups", "ewms_role"} <= mappers
    roles = {role["name"] for role in realm["roles"]["realm"]}
    assert roles <= {role.value for role in Role}
    clients = {client["clientId"]: client for client in realm["clients"]}
    assert clients["ewms-cli"]["attributes"]["oauth2.device.authorization.grant.enabled"] == "true"
    assert not [name for name, client in clients.items() if client.get("secret")]


def read_settings(text: str) -> dict[str, str]:
    """Return the lines `name = value` of a configuration file; lines that end with a backslash go on."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def test_the_broker_of_a_cluster_has_the_settings_of_ours_and_no_port_without_tls() -> None:
    settings = read_settings((DEPLOY / "rabbitmq/rabbitmq.conf").read_text())
    ports = {"amqp": 1, "management": 2, "jwks": 3}
    ours = read_settings(
        configuration_text(ports, kid="k", public_key=Path("p"), definitions_file=Path("d"), channels=16, tick_s=5)
    )
    shared = {
        name
        for name in ours
        if name.startswith(
            ("auth_backends", "auth_oauth2.resource", "auth_oauth2.algorithms", "max_message", "consumer")
        )
    }
    assert len(shared) > 7
    assert {name: settings[name] for name in shared} == {name: ours[name] for name in shared}
    assert settings["listeners.tcp"] == "none"
    assert not [name for name in settings if re.match(r"(listeners\.tcp|management\.tcp|prometheus\.tcp)\.", name)]
    for part in ("ssl_options", "management.ssl", "prometheus.ssl"):
        assert [settings[f"{part}.{file}"] for file in ("cacertfile", "certfile", "keyfile")] == [
            "/etc/ewms/tls/ca.crt", "/etc/ewms/tls/broker.crt", "/etc/ewms/tls/broker.key",
        ]  # fmt: skip
    assert settings["auth_oauth2.jwks_uri"].startswith("https://")
    assert settings["auth_oauth2.https.peer_verification"] == "verify_peer"
    nodes = [value for name, value in settings.items() if name.startswith("cluster_formation.classic_config.nodes.")]
    assert len(set(nodes)) == 3
    assert settings["queue_leader_locator"] == "balanced"
    compose = read_settings((DEPLOY / "compose/rabbitmq.conf").read_text())
    assert {name: compose[name] for name in shared} == {name: ours[name] for name in shared}


def test_nodes_of_the_broker_speak_tls_with_each_other() -> None:
    environment = read_settings((DEPLOY / "rabbitmq/rabbitmq-env.conf").read_text())
    for name in ("SERVER_ADDITIONAL_ERL_ARGS", "CTL_ERL_ARGS"):
        assert environment[name] == ('"-proto_dist inet_tls -ssl_dist_optfile /etc/rabbitmq/inter_node_tls.config"')
    terms = re.sub(r"%.*", "", (DEPLOY / "rabbitmq/inter_node_tls.config").read_text())
    assert (terms.count("{verify, verify_peer}"), terms.count("{fail_if_no_peer_cert, true}")) == (2, 1)
    for opening, closing in ("{}", "[]"):
        assert terms.count(opening) == terms.count(closing)
    assert terms.rstrip().endswith("].")


def test_the_database_of_a_cluster_requires_tls_and_passwords_and_has_the_settings_of_ours() -> None:
    settings = yaml.safe_load((DEPLOY / "mongodb/mongod.conf").read_text())
    tls = settings["net"]["tls"]
    assert (tls["mode"], tls["CAFile"]) == ("requireTLS", "/etc/ewms/tls/ca.crt")
    assert tls["certificateKeyFile"] == "/etc/ewms/tls/database.pem"
    assert settings["security"]["authorization"] == "enabled"
    absent: Any = None
    ours = MongoDB(absent, absent, home=Path("h"), data=Path("d"), log=Path("l"), port=1).build_arguments(Path("k"))
    for name in ("transactionLifetimeLimitSeconds", "authenticationMechanisms"):
        assert f"{name}={settings['setParameter'][name]}" in ours
    name = settings["replication"]["replSetName"]
    script = (DEPLOY / "mongodb/initiate.js").read_text()
    assert f'_id: "{name}"' in script
    assert len(set(re.findall(r'host: "([^"]+)"', script))) == 3
    for service in ("wms", "mqs"):
        assert f'db.getSiblingDB("{service.upper()}_DB").createUser({{ user: "{service}"' in script
        assert f"replicaSet={name}&tls=true" in (DEPLOY / f"systemd/{service}.env.example").read_text()
    assert not re.search(r"pwd: \"", script), "passwords are asked for"


def test_an_access_point_lets_no_job_change_what_ours_forbids_and_encrypts_everything() -> None:
    settings = read_settings((DEPLOY / "htcondor/60-ewms.conf").read_text())
    here = Path("here")
    plan = PoolPlan(
        tree=here, home=here, work=here, spool=here, key=here, logs=here, port=1, schedd="s", ids="1.1",
        has_accounts=False, client=here,
    )  # fmt: skip
    ours = read_settings(pool_configuration(plan))
    same = ["IMMUTABLE_JOB_ATTRS", *(name for name in ours if "CHIRP" in name)]
    same += [name for name in ours if re.fullmatch("SEC_DEFAULT_(AUTHENTICATION|ENCRYPTION|INTEGRITY)", name)]
    assert len(same) == 8
    assert {name: settings[name] for name in same} == {name: ours[name] for name in same}


def test_the_proxy_encrypts_and_checks_both_hops_and_passes_streams_on_at_once() -> None:
    text = (DEPLOY / "proxy/nginx.conf").read_text()
    for line in (
        "listen 443 ssl;",
        "proxy_pass https://ewms_gateway;",
        "proxy_ssl_verify on;",
        "proxy_ssl_trusted_certificate /etc/ewms/tls/ca.crt;",
        "proxy_buffering off;",
        # The gateway counts connections by this header, so a client must not choose it.
        "proxy_set_header X-Forwarded-For $remote_addr;",
    ):
        assert line in text
    assert not re.search(r"listen (?!443 ssl)", text)
    assert text.count("{") == text.count("}")


def test_the_examples_of_settings_send_nothing_in_clear_to_another_machine() -> None:
    for example in sorted((DEPLOY / "systemd").glob("*.env.example")):
        for line in example.read_text().splitlines():
            found = re.search(r"(\w+)=.*?(amqp|http|mongodb)://", line)
            if found and not line.startswith("#"):
                assert found[2] == "mongodb", line
                assert "tls=true" in line
        assert "\nEWMS_CA_FILE=/etc/ewms/tls/ca.crt\n" in example.read_text()
