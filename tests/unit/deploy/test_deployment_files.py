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
