"""A real Prometheus scrapes the running system, and evaluates every query of the alerts and the dashboards."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from rich.console import Console

from deploy.local.choices.ports import free_ports
from deploy.local.fetch import packages
from deploy.local.fetch.cache import cache_directory, prepare_cache
from deploy.local.system.stack import Stack
from deploy.monitoring.panels import DASHBOARDS
from tests.waiting import wait_until

PROMETHEUS = Path(__file__).parents[2] / "deploy/prometheus"
#: Target of the configuration -> the port of the running system with the same service.
TARGETS = {"ewms-wms": "gateway", "ewms-mqs": "jwks", "ewms-tms": "tms"}


@pytest.fixture(scope="module")
def programs() -> Path:
    """The directory of prometheus and promtool."""
    found = prepare_cache(
        cache_directory(os.environ),
        Console(stderr=True),
        (packages.PROMETHEUS,),
        mirror=os.environ.get("EWMS_DEBIAN_MIRROR"),
    )
    return found.trees[packages.PROMETHEUS.name] / "usr/bin"


def test_every_alert_fires_when_it_should_and_only_then(programs: Path) -> None:
    for check in (["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(
            [programs / "promtool", *check], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def prometheus(programs: Path, stack: Stack, tmp_path: Path) -> Iterator[httpx2.Client]:
    """Prometheus with our configuration, aimed at the running system."""
    configuration: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    configuration["global"] |= {"scrape_interval": "10s", "scrape_timeout": "10s", "evaluation_interval": "1s"}
    jobs = [job for job in configuration["scrape_configs"] if job["job_name"] in TARGETS]
    for job in jobs:
        port = stack.services.ports.current[TARGETS[job["job_name"]]]
        job["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
    configuration |= {"scrape_configs": jobs, "rule_files": [str(PROMETHEUS / "alerts.yml")]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    (port,) = free_ports(1)
    server = subprocess.Popen(
        [
            programs / "prometheus",
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
            yield http
    finally:
        server.terminate()
        server.wait()


def _ask(http: httpx2.Client, query: str) -> list[dict[str, Any]]:
    answer = http.get("/api/v1/query", params={"query": query})
    assert answer.status_code == 200, (query, answer.text)
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


def _list_up(http: httpx2.Client) -> set[str]:
    try:
        # Until it has read its own data, Prometheus answers 503.
        is_ready = http.get("/-/ready").status_code == 200
    except httpx2.HTTPError:
        return set()
    return {one["metric"]["job"] for one in _ask(http, "up == 1")} if is_ready else set()


def test_prometheus_evaluates_every_query_against_the_running_system(prometheus: httpx2.Client) -> None:
    wait_until(lambda: _list_up(prometheus), lambda found: found == set(TARGETS))
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            for query, _ in panel.queries:
                _ask(prometheus, query)
    # These have values in a system in which nothing has happened yet.
    for name in (
        "ewms_workflows",
        "ewms_mqs_events",
        "ewms_build_info",
        "ewms_dependency_up",
        "ewms_outbox_oldest_seconds",
    ):
        wait_until(lambda name=name: _ask(prometheus, name))
    rules = prometheus.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert not [rule["lastError"] for rule in rules if rule.get("lastError")]
